import LoopIR

/// Gives convolutions images with their channels side by side, where inputs and outputs of the model have several.
///
/// ```
/// run { call @convolution(%x, %w, %y) }
/// ```
/// becomes, where `x` is an input and `y` an output of several channels,
/// ```
/// run { call @pack(%x, %x.packed); call @convolution(%x.packed, %w, %y.packed); call @pack(%y.packed, %y) }
/// ```
/// The host's images have rows side by side: a vector of channels would touch as many lines of the cache, which often
/// fall into one set of it. The copies go by tiles (`TransposedTile`).
enum PackImages {
  /// Fewer channels are read and written as they are.
  private static let fewestChannels = 4
  /// Images of fewer pixels are near each other in any order.
  private static let fewestPixels = 16

  static func apply(to module: LoopModule, target: Target) -> LoopModule {
    var packing = Packing(module: module, target: target)
    for statement in module.run { packing.append(statement) }
    return packing.result
  }

  private struct Packing {
    let module: LoopModule
    let target: Target
    var result: LoopModule
    /// The temporary for an input or output.
    private var packed: [String: String] = [:]

    init(module: LoopModule, target: Target) {
      (self.module, self.target) = (module, target)
      result = module
      result.run = []
    }

    mutating func append(_ statement: Statement) {
      guard case .call(let name, var arguments) = statement,
        let kernel = module.kernel(named: name)
      else { return result.run.append(statement) }
      let images = Self.images(of: kernel, target)
      var written: [Buffer] = []
      for (position, parameter) in kernel.parameters.enumerated() {
        let argument = arguments[position]
        if images.contains(position), packed[argument] == nil, let image = image(argument) {
          if parameter.access.writes { written.append(image) }
          packed[argument] =
            parameter.access.writes
            ? result.addTemporary(image.packed) : result.pack(image)
        }
        arguments[position] = packed[argument] ?? argument
      }
      result.run.append(.call(name, arguments))
      for image in written { result.copy(packed[image.name] ?? image.name, to: image) }
    }

    /// The parameters that a convolution reads or writes as images.
    private static func images(of kernel: Kernel, _ target: Target) -> Set<Int> {
      guard SumForm(kernel, target) == nil, let schedule = ScheduleReduction(kernel, target),
        schedule.nest.isSumOfProducts
      else { return [] }
      let weights = Set(schedule.preferredOrders().keys)
      return Set(kernel.parameters.indices).subtracting(weights)
    }

    /// An input or output, or some images of one, that is worth a copy.
    private func image(_ name: String) -> Buffer? {
      guard let item = module.buffer(named: name), item.buffer.extents.count == 4,
        item.buffer.extents[1] >= PackImages.fewestChannels,
        item.buffer.extents[2] * item.buffer.extents[3] >= PackImages.fewestPixels
      else { return nil }
      switch item.role {
      case .input, .output, .slice: return item.buffer
      default: return nil
      }
    }
  }
}
