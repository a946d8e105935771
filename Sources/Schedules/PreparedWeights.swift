import LoopIR

/// Weights that are transformed before they are used.
extension LoopModule {
  /// Gives transformed weights to all calls of a kernel: constants are transformed once, before the first run, others
  /// in each run, by what `scheduled` makes of the transformation.
  mutating func transformWeights(
    of kernel: Kernel, _ weights: TransformedWeights, scheduled: (Kernel) -> Kernel
  ) {
    let names = kernel.parameters.map(\.buffer.name)
    var calls: [Statement] = []
    for statement in run {
      guard case .call(kernel.name, var arguments) = statement else {
        calls.append(statement)
        continue
      }
      for position in arguments.indices where names[position] == weights.parameter {
        let source = arguments[position]
        arguments[position] = "\(source).\(weights.label)"
        guard buffer(named: arguments[position]) == nil else { continue }
        var buffer = weights.buffer
        buffer.name = arguments[position]
        let isConstant = self.buffer(named: source)?.role == .constant
        buffers.append(ModuleBuffer(buffer, isConstant ? .constant : .temporary(offset: nil)))
        let transform = share(isConstant ? weights.kernel : scheduled(weights.kernel.serial))
        let call = Statement.call(transform, [source, buffer.name])
        if isConstant { prepare.append(call) } else { calls.append(call) }
      }
      calls.append(.call(kernel.name, arguments))
    }
    run = calls
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

extension Kernel {
  /// Without threads, and without vectors of one element.
  fileprivate var serial: Kernel {
    var result = self
    result.body = body.mapStatements { statement in
      guard case .loop(var loop) = statement,
        loop.kind == .parallel || (loop.kind == .vectorized && loop.constantExtent == 1)
      else { return [statement] }
      loop.kind = .serial
      return [.loop(loop)]
    }.simplified()
    return result
  }
}
