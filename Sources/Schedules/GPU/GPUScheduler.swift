import LoopIR

/// Turns plain loops into one grid of blocks of threads for each kernel.
///
/// Convolutions with few input or output channels read global memory as they go (`NarrowKernel`). Others are staged
/// through shared memory, for tensor cores where the precision and the channels allow it (`MatrixKernel`), else for
/// the FMA units (`FMAKernel`); schedule files can choose other kinds (`TileKinds`). Everything else whose elements are
/// independent has one thread for each (`ElementPerThread`), sums over images one for each row (`SumByRows`), long ones such
/// as gradients of convolutions' kernels are computed in parts (`SumInParts`), on tensor cores where the channels allow it
/// (`GradientKernel`). Values equal those of the plain loops to the bit, except that sums are added up in parts, in float64
/// or by Winograd's algorithm, that padding takes part in them as zeros, and that tensor cores round factors.
struct GPUScheduler {
  let target: Target
  let gpu: GPU
  let precision: Precision
  /// A schedule file's tiles, by kernel.
  var choices: [String: TileChoice] = [:]

  private var tiles: TileSelection {
    TileSelection(gpu: gpu, precision: precision, choices: choices)
  }

  /// What `choices` may be; kernels have the names that they have in the module.
  static func alternatives(
    _ module: LoopModule, _ gpu: GPU, _ precision: Precision
  ) -> TileAlternatives {
    TileAlternatives(
      SumInDouble.apply(to: module, for: precision),
      TileSelection(gpu: gpu, precision: precision))
  }

  /// A kernel of no known form stays as it is; code generation refuses it.
  func schedule(_ module: LoopModule) -> LoopModule {
    var result = AssignLayouts.apply(
      to: SumByRows.apply(to: SumInDouble.apply(to: module, for: precision)), target: target,
      tiles: tiles)
    for index in result.kernels.indices {
      // A kernel that prepares weights runs on the host, once.
      let name = result.kernels[index].name
      if result.run.call(name), result.prepare.call(name) { result.runCopy(of: index) }
    }
    result.separateNests()
    let storage = StoredFactors(result, tiles)
    result = storage.module
    sumInParts(&result, storage)
    let count = result.kernels.count
    for index in result.kernels.indices where result.run.call(result.kernels[index].name) {
      let kernel = result.kernels[index]
      let tiled = tiled(kernel, factors: storage.parameters(of: kernel))
      result.kernels[index] = tiled?.scheduled() ?? elements(kernel)
      if let weights = tiled?.transformedWeights {
        result.transformWeights(of: kernel, weights) { elements($0, hasLanes: false) }
      }
    }
    if result.kernels.count > count { result.dropUnreadConstants() }
    result = PlanMemory.apply(to: result)
    result.scheduledFor = target.name
    result.precision = precision
    return result
  }

  /// Schedules long sums over images, such as gradients of convolutions' kernels.
  private func sumInParts(_ module: inout LoopModule, _ storage: StoredFactors) {
    let earlier = module
    module.run = []
    for statement in earlier.run {
      guard case .call(let name, let arguments) = statement,
        let kernel = earlier.kernel(named: name),
        let sum = partialSum(kernel, factors: storage.parameters(of: kernel))
      else {
        module.run.append(statement)
        continue
      }
      var places = Dictionary(
        uniqueKeysWithValues: zip(kernel.parameters.map(\.buffer.name), arguments))
      for buffer in sum.buffers { places[buffer.name] = module.addTemporary(buffer) }
      for kernel in sum.kernels {
        let own = kernel.parameters.compactMap { places[$0.buffer.name] }
        module.run.append(.call(module.share(kernel), own))
      }
    }
    module.dropUncalled(since: earlier)
  }

  /// A long sum's kernels, in order, and the buffers between them; nil for other kernels.
  private func partialSum(
    _ kernel: Kernel, factors: Set<String>
  ) -> (kernels: [Kernel], buffers: [Buffer])? {
    let form = GradientForm(kernel, factors: factors)
    if let form, let tile = GradientTile(form, gpu, precision),
      let sum = SumInParts(kernel, wanted: tile.partsWanted(form, gpu), rows: tile.height)
    {
      let parts = GradientKernel(form, tile, sum).scheduled()
      return ([parts] + sum.totals().map(elements), sum.buffers)
    }
    guard let sum = SumInParts(kernel, gpu), sum.count > 1 else { return nil }
    return (([sum.parts()] + sum.totals()).map(elements), sum.buffers)
  }

  private func tiled(_ kernel: Kernel, factors: Set<String>) -> (any TiledKernel)? {
    StagedConvolution(kernel, factors: factors).flatMap(tiles.kernel)
  }

  private func elements(_ kernel: Kernel) -> Kernel { elements(kernel, hasLanes: true) }

  private func elements(_ kernel: Kernel, hasLanes: Bool) -> Kernel {
    guard var elements = ElementPerThread(kernel) else { return kernel }
    return elements.scheduled(hasLanes: hasLanes)
  }
}

extension LoopModule {
  /// Gives `run` a kernel of its own where `prepare` calls the same one.
  fileprivate mutating func runCopy(of index: Int) {
    var copy = kernels[index]
    copy.name = unusedKernelName(copy.name + "_device")
    run = run.map { statement in
      guard case .call(kernels[index].name, let arguments) = statement else { return statement }
      return .call(copy.name, arguments)
    }
    kernels.append(copy)
  }

  /// One kernel, and one call, for each nest of a kernel with several: a grid has no order among its blocks.
  ///
  /// The second and later ones leave what is there already.
  fileprivate mutating func separateNests() {
    var parts: [String: [Kernel]] = [:]
    for kernel in kernels where run.call(kernel.name) && kernel.body.count > 1 {
      guard kernel.body.allSatisfy({ LoopNest($0) != nil }) else { continue }
      for (number, statement) in kernel.body.enumerated() {
        var part = kernel
        part.name = unusedKernelName(kernel.name + "_part")
        part.body = [statement]
        for index in part.parameters.indices
        where number > 0 && part.parameters[index].access == .write {
          part.parameters[index].access = .update
        }
        kernels.append(part)
        parts[kernel.name, default: []].append(part)
      }
    }
    run = run.flatMap { statement -> [Statement] in
      guard case .call(let name, let arguments) = statement, let own = parts[name] else {
        return [statement]
      }
      return own.map { .call($0.name, arguments) }
    }
    kernels.removeAll { parts[$0.name] != nil }
  }

  private func unusedKernelName(_ base: String) -> String {
    var name = base
    var number = 2
    while kernel(named: name) != nil {
      name = "\(base)\(number)"
      number += 1
    }
    return name
  }
}
