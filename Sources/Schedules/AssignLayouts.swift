import LoopIR

/// Chooses how temporaries and constants lie in memory, and makes a kernel for each combination that occurs.
///
/// Images between kernels have their channels innermost; weights lie in the order in which the kernel that reads
/// them goes through them. Inputs and outputs keep the host's row-major order; weights among the inputs (in training
/// steps) are copied first. Values do not change.
public enum AssignLayouts {
  public static func apply(
    to module: LoopModule, target: Target, precision: Precision = .standard
  ) -> LoopModule {
    let tiles = target.gpu.map { TileSelection(gpu: $0, precision: precision) }
    return apply(to: module, target: target, tiles: tiles)
  }

  /// `tiles` are those of a GPU's convolutions.
  static func apply(
    to module: LoopModule, target: Target, tiles: TileSelection?
  ) -> LoopModule {
    var packed = PackInputs.apply(to: module, target: target, tiles: tiles)
    if target.gpu == nil { packed = PackImages.apply(to: packed, target: target) }
    var layout = Layout(module: packed)
    layout.orderTemporaries(rowMajor: packed.besideProducts)
    layout.orderWeights(target, tiles)
    return layout.specialized()
  }

  /// Orders of the dimensions, outermost first, in which a kernel likes its parameters, by parameter.
  static func preferredOrders(
    _ kernel: Kernel, _ target: Target, _ tiles: TileSelection?
  ) -> [Int: [Int]] {
    if let tiles { return tiles.preferredOrders(kernel) }
    if SumForm(kernel, target) != nil { return [:] }
    return ScheduleReduction(kernel, target)?.preferredOrders() ?? [:]
  }

  private struct Layout {
    var module: LoopModule

    mutating func orderTemporaries(rowMajor: Set<String>) {
      for index in module.buffers.indices {
        guard case .temporary = module.buffers[index].role else { continue }
        let buffer = module.buffers[index].buffer
        let isImage = buffer.extents.count == 4 && !rowMajor.contains(buffer.name)
        setOrder(index, isImage ? [0, 2, 3, 1] : nil)
      }
    }

    /// Constants, and temporaries that a kernel reads as weights; the first one that does decides.
    mutating func orderWeights(_ target: Target, _ tiles: TileSelection?) {
      var decided: Set<String> = []
      for case .call(let name, let arguments) in module.run {
        guard let kernel = module.kernel(named: name) else { continue }
        let orders = AssignLayouts.preferredOrders(kernel, target, tiles)
        let matrices = tiles == nil ? ScheduleProduct(kernel, target)?.constantOrders() ?? [:] : [:]
        for (position, argument) in arguments.enumerated() {
          guard let index = module.buffers.firstIndex(where: { $0.buffer.name == argument }) else {
            continue
          }
          switch module.buffers[index].role {
          case .constant: break
          case .temporary where orders[position] != nil: break
          default: continue
          }
          if decided.insert(argument).inserted {
            setOrder(index, orders[position] ?? matrices[position])
          }
        }
      }
    }

    private mutating func setOrder(_ index: Int, _ order: [Int]?) {
      let extents = module.buffers[index].buffer.extents
      module.buffers[index].buffer.strides = Buffer.strides(
        extents, order: order ?? Array(extents.indices))
      module.buffers[index].buffer.alignment = PlanMemory.alignment
    }

    /// Kernels whose parameters lie as the buffers that they are called with.
    func specialized() -> LoopModule {
      module.specialized("layout") { kernel, arguments in
        for (position, argument) in arguments.enumerated() {
          guard let buffer = module.buffer(named: argument)?.buffer else { continue }
          kernel.parameters[position].buffer.strides = buffer.strides
          kernel.parameters[position].buffer.alignment = buffer.alignment
        }
      }
    }
  }
}

extension LoopModule {
  /// Temporaries of four dimensions that are no images: products of matrices read or write them, or what else is no
  /// convolution or pooling does together with such.
  fileprivate var besideProducts: Set<String> {
    let calls = run.compactMap {
      statement -> (isProduct: Bool, isImages: Bool, arguments: [String])? in
      guard case .call(let name, let arguments) = statement, let kernel = kernel(named: name) else {
        return nil
      }
      let isProduct = ProductForm(kernel) != nil
      let isImages = !isProduct && ReductionNest(kernel)?.outer.dimensions.count == 4
      return (isProduct, isImages, arguments)
    }
    if !calls.contains(where: \.isProduct) { return [] }
    let images = Set(calls.filter(\.isImages).flatMap(\.arguments))
    var found: Set<String> = []
    var count = -1
    while found.count != count {
      count = found.count
      for call in calls where !call.isImages {
        let own = Set(call.arguments).subtracting(images)
        if call.isProduct || !own.isDisjoint(with: found) {
          found.formUnion(own.filter { buffer(named: $0)?.buffer.extents.count == 4 })
        }
      }
    }
    return found
  }
}
