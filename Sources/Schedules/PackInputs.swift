import LoopIR

/// Copies inputs that a kernel reads as weights into temporaries, whose layout can be chosen.
///
/// ```
/// run { call @convolution(%x, %w, %y) }
/// ```
/// becomes, where `w` is an argument of the model,
/// ```
/// run { call @copy(%w, %w.packed); call @convolution(%x, %w.packed, %y) }
/// ```
enum PackInputs {
  static func apply(
    to module: LoopModule, target: Target, tiles: TileSelection?
  ) -> LoopModule {
    var result = module
    result.run = []
    var packed: [String: String] = [:]
    for statement in module.run {
      guard case .call(let name, var arguments) = statement,
        let kernel = module.kernel(named: name)
      else {
        result.run.append(statement)
        continue
      }
      for position in AssignLayouts.preferredOrders(kernel, target, tiles).keys.sorted() {
        let argument = arguments[position]
        guard let item = module.buffer(named: argument), case .input = item.role else { continue }
        if packed[argument] == nil { packed[argument] = result.pack(item.buffer) }
        arguments[position] = packed[argument] ?? argument
      }
      result.run.append(.call(name, arguments))
    }
    return result
  }
}

extension LoopModule {
  /// Adds a temporary with the buffer's contents and the call that fills it; returns its name.
  mutating func pack(_ source: Buffer) -> String {
    let name = addTemporary(source.packed)
    appendCopy(of: source, [source.name, name])
    return name
  }

  /// Adds the call that copies the buffer of this name to one of the same extents.
  mutating func copy(_ name: String, to result: Buffer) {
    appendCopy(of: result, [name, result.name])
  }

  private mutating func appendCopy(of buffer: Buffer, _ arguments: [String]) {
    let kernel = Self.copying(buffer)
    if self.kernel(named: kernel.name) == nil { kernels.append(kernel) }
    run.append(.call(kernel.name, arguments))
  }

  /// `out[...] = in0[...]`.
  private static func copying(_ source: Buffer) -> Kernel {
    let (input, output) = ("in0", "out")
    let names = source.extents.indices.map { "i\($0)" }
    let index = names.map(Expression.variable)
    let store = Statement.store(output, index, .load(input, index))
    let body = zip(names, source.extents).reversed().reduce([store]) { inner, dimension in
      [.loop(Loop(dimension.0, .integer(0), .integer(dimension.1), body: inner))]
    }
    func parameter(_ name: String, _ access: Access) -> KernelParameter {
      KernelParameter(Buffer(name, source.element, extents: source.extents), access)
    }
    let shape = source.extents.map(String.init).joined(separator: "x")
    return Kernel(
      "pack_\(shape)", parameters: [parameter(input, .read), parameter(output, .write)], body: body)
  }
}

extension Buffer {
  /// A temporary for its contents, before that has a name of its own.
  var packed: Buffer {
    var copy = self
    copy.name += ".packed"
    return copy
  }
}
