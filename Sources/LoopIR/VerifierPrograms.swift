import Diagnostics

/// Checks `prepare` and `run`: calls, access to buffers by their role, and that what is read has been written.
struct ProgramVerifier {
  private let module: LoopModule
  /// `prepare` or `run`.
  private let program: String
  /// Buffers that hold values, of those that this or an earlier program writes.
  private var written: Set<String> = []

  /// Of a module that was read from a text.
  private let places: LoopPlaces?

  static func verify(_ module: LoopModule, _ places: LoopPlaces?) throws(Diagnostic) {
    var verifier = ProgramVerifier(module, program: "prepare", places)
    try verifier.verify(module.prepare, places?.prepare)
    try verifier.requireWritten { $0 == .constant }
    verifier = ProgramVerifier(module, program: "run", places)
    try verifier.verify(module.run, places?.run)
    verifier.joinSlices()
    try verifier.requireWritten { if case .output = $0 { true } else { false } }
  }

  private init(_ module: LoopModule, program: String, _ places: LoopPlaces?) {
    self.module = module
    self.program = program
    self.places = places
  }

  private func broken(_ constraint: String, _ message: String, help: String? = nil) -> Diagnostic {
    LoopVerifier.broken(constraint, "\(program): \(message)", help: help)
  }

  /// A program has no statements inside others, so each has the place of its number until one that is no call.
  private mutating func verify(
    _ statements: [Statement], _ places: [SourceLocation]?
  ) throws(Diagnostic) {
    for (number, statement) in statements.enumerated() {
      do { try verify(statement) } catch { throw error.located(at: places?[number]) }
    }
  }

  private mutating func verify(_ statement: Statement) throws(Diagnostic) {
    guard case .call(let name, let arguments) = statement else {
      throw broken("L17", "a program holds calls only")
    }
    guard let kernel = module.kernel(named: name) else {
      throw broken("L4", "kernel @\(name) is not defined")
    }
    try verifyCall(kernel, arguments)
  }

  private mutating func verifyCall(_ kernel: Kernel, _ names: [String]) throws(Diagnostic) {
    guard names.count == kernel.parameters.count else {
      throw broken(
        "L18",
        "@\(kernel.name) takes \(kernel.parameters.count) buffers, the call has \(names.count)")
    }
    var arguments: [ModuleBuffer] = []
    for (name, parameter) in zip(names, kernel.parameters) {
      guard let argument = module.buffer(named: name) else {
        throw broken("L4", "buffer %\(name) is not defined")
      }
      try verify(argument.buffer, fits: parameter.buffer, of: kernel)
      try verifyRole(argument, parameter.access)
      arguments.append(argument)
    }
    try verifyOverlaps(kernel, arguments)
    for (argument, parameter) in zip(arguments, kernel.parameters)
    where parameter.access.writes {
      written.insert(argument.buffer.name)
    }
  }

  /// L18: kernels are compiled for the layout of their parameters.
  private func verify(
    _ buffer: Buffer, fits parameter: Buffer, of kernel: Kernel
  ) throws(Diagnostic) {
    guard buffer.element == parameter.element, buffer.extents == parameter.extents,
      buffer.strides == parameter.strides, buffer.alignment >= parameter.alignment
    else {
      throw broken(
        "L18",
        "argument '\(LoopPrinter.text(buffer))' does not fit parameter "
          + "'\(LoopPrinter.text(parameter))' of @\(kernel.name)")
    }
  }

  /// L19 and L21: who may read and write what, and nothing is read before it is written.
  private mutating func verifyRole(_ argument: ModuleBuffer, _ access: Access) throws(Diagnostic) {
    let isPreparing = program == "prepare"
    let mayRead: Bool
    let mayWrite: Bool
    var isWrittenFirst = true
    switch argument.role {
    case .parameter: (mayRead, mayWrite, isWrittenFirst) = (isPreparing, false, false)
    case .constant: (mayRead, mayWrite, isWrittenFirst) = (true, isPreparing, isPreparing)
    case .scratch: (mayRead, mayWrite) = (isPreparing, isPreparing)
    case .input: (mayRead, mayWrite, isWrittenFirst) = (!isPreparing, false, false)
    case .output, .temporary: (mayRead, mayWrite) = (!isPreparing, !isPreparing)
    case .slice(let whole, _):
      // The verifier of buffers has seen that it is one of an input or output.
      guard let whole = module.buffer(named: whole) else { return }
      if written.contains(whole.buffer.name) { written.insert(argument.buffer.name) }
      if case .output = whole.role {
        (mayRead, mayWrite) = (!isPreparing, !isPreparing)
      } else {
        (mayRead, mayWrite, isWrittenFirst) = (!isPreparing, false, false)
      }
    }
    let described = "\(argument.role.word) %\(argument.buffer.name)"
    guard mayRead || !access.reads, mayWrite || !access.writes else {
      throw broken("L19", "\(described) cannot be \(access.writes ? "written" : "read") here")
    }
    if access.reads, isWrittenFirst, !written.contains(argument.buffer.name) {
      throw broken("L21", "\(described) is read before it is written")
    }
  }

  /// L20: a written argument shares no memory with another one.
  private func verifyOverlaps(_ kernel: Kernel, _ arguments: [ModuleBuffer]) throws(Diagnostic) {
    for (i, a) in arguments.enumerated() {
      for (j, b) in arguments.enumerated().dropFirst(i + 1) {
        let isWritten =
          kernel.parameters[i].access.writes || kernel.parameters[j].access.writes
        if isWritten, a.overlaps(b) {
          throw broken(
            "L20",
            "%\(a.buffer.name) and %\(b.buffer.name), arguments of @\(kernel.name), overlap, "
              + "and one of them is written")
        }
      }
    }
  }

  /// Counts an output as written whose written slices cover it.
  private mutating func joinSlices() {
    for entry in module.buffers where entry.isOfHost {
      let parts = module.buffers.filter { written.contains($0.buffer.name) }
        .compactMap { part in part.hostRange.map { (range: $0.range, whole: $0.whole) } }
        .filter { $0.whole == entry.buffer.name }
        .sorted { $0.range.lowerBound < $1.range.lowerBound }
      var end = 0
      for part in parts where part.range.lowerBound <= end { end = max(end, part.range.upperBound) }
      if end >= entry.buffer.spanElements { written.insert(entry.buffer.name) }
    }
  }

  private func requireWritten(_ isRequired: (BufferRole) -> Bool) throws(Diagnostic) {
    for (number, entry) in module.buffers.enumerated()
    where isRequired(entry.role) && !written.contains(entry.buffer.name) {
      throw broken("L21", "\(entry.role.word) %\(entry.buffer.name) is never written")
        .located(at: places?.buffers[number])
    }
  }
}

extension ModuleBuffer {
  /// Bytes of the arena that it takes, where memory is planned.
  var arenaRange: Range<Int>? {
    guard case .temporary(let offset?) = role else { return nil }
    return offset..<offset + buffer.byteCount
  }

  /// Elements of an input or output that it is, or is a slice of.
  var hostRange: (whole: String, range: Range<Int>)? {
    switch role {
    case .input, .output: return (buffer.name, 0..<buffer.spanElements)
    case .slice(let whole, let first): return (whole, first..<first + buffer.spanElements)
    default: return nil
    }
  }

  /// Whether the two share memory: they are one buffer, or share bytes of the arena or of the host's memory.
  func overlaps(_ other: ModuleBuffer) -> Bool {
    if buffer.name == other.buffer.name { return true }
    if let mine = hostRange, let others = other.hostRange {
      return mine.whole == others.whole && mine.range.overlaps(others.range)
    }
    guard let mine = arenaRange, let others = other.arenaRange else { return false }
    return mine.overlaps(others)
  }
}
