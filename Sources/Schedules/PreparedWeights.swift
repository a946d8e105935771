import LoopIR

/// Weights that are transformed before the first run.
extension LoopModule {
  /// Gives transformed weights to all calls of a kernel.
  mutating func transformWeights(of kernel: Kernel, _ weights: TransformedWeights) {
    let names = kernel.parameters.map(\.buffer.name)
    for index in run.indices {
      guard case .call(kernel.name, var arguments) = run[index] else { continue }
      for position in arguments.indices where names[position] == weights.parameter {
        arguments[position] = transformed(arguments[position], weights)
      }
      run[index] = .call(kernel.name, arguments)
    }
  }

  /// The constant that `prepare` makes of another, once for all kernels.
  private mutating func transformed(_ weights: String, _ transform: TransformedWeights) -> String {
    let name = "\(weights).\(transform.label)"
    if buffer(named: name) != nil { return name }
    var buffer = transform.buffer
    buffer.name = name
    buffers.append(ModuleBuffer(buffer, .constant))
    prepare.append(.call(share(transform.kernel), [weights, name]))
    return name
  }

  /// Constants that only `prepare` reads now are no part of the model any more.
  mutating func dropUnreadConstants() {
    var read: Set<String> = []
    for case .call(_, let arguments) in run { read.formUnion(arguments) }
    for index in buffers.indices
    where buffers[index].role == .constant && !read.contains(buffers[index].buffer.name) {
      buffers[index].role = .scratch
    }
  }
}
