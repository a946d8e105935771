import LoopIR

/// Where the host finds what one kernel call wrote.
struct CallResult {
  enum Place {
    /// The model's output of this number.
    case output(Int)
    /// The offset in bytes into the workspace.
    case workspace(Int)
  }

  var place: Place
  /// Numbers, float32, without gaps.
  var count: Int
  /// The buffer's name in the module.
  var buffer: String

  /// One for each call of a module whose memory is planned; nil where a call does not write one dense float32 buffer.
  static func all(of module: LoopModule) -> [CallResult?] {
    module.run.compactMap { statement in
      guard case .call(let name, let arguments) = statement else { return nil }
      return .some(result(of: name, arguments, module))
    }
  }

  /// For each call, the buffers that it reads or writes; a slice stands for the whole.
  static func buffers(of module: LoopModule) -> [Set<String>] {
    module.run.compactMap { statement in
      guard case .call(_, let arguments) = statement else { return nil }
      return Set(
        arguments.map { name in
          if case .slice(let whole, _) = module.buffer(named: name)?.role { return whole }
          return name
        })
    }
  }

  private static func result(
    of name: String, _ arguments: [String], _ module: LoopModule
  ) -> CallResult? {
    guard let kernel = module.kernel(named: name) else { return nil }
    let written = zip(kernel.parameters, arguments).filter { $0.0.access.writes }.map(\.1)
    guard written.count == 1, let item = module.buffer(named: written[0]),
      item.buffer.element == .f32,
      item.buffer.spanElements == item.buffer.extents.reduce(1, *)
    else { return nil }
    switch item.role {
    case .temporary(let offset?):
      return CallResult(
        place: .workspace(offset), count: item.buffer.spanElements, buffer: written[0])
    case .output:
      let outputs = module.buffers.filter { if case .output = $0.role { true } else { false } }
      guard let index = outputs.firstIndex(of: item) else { return nil }
      return CallResult(place: .output(index), count: item.buffer.spanElements, buffer: written[0])
    default: return nil
    }
  }
}
