import Diagnostics
import Tensors

/// Reads the text form of loop IR (see IR/LoopIR.md for the grammar).
///
/// It checks the form, that module-level names are unique, and that extents fit; `LoopVerifier` checks the rest.
/// Nesting is limited, so that no text can exhaust the stack here or in what walks the result.
public struct LoopParser {
  /// Levels of nested statements, and levels of an expression's tree.
  public static let maximumNesting = 200

  var tokens: TokenStream
  /// Open `expression` and `statements` calls.
  var expressionNesting = 0
  var statementNesting = 0
  private var places = LoopPlaces()
  /// Of the statements read since the last kernel or program.
  var statementPlaces: [SourceLocation] = []

  private init(_ text: String, file: String) throws(Diagnostic) {
    tokens = try TokenStream(text, file: file)
  }

  /// A whole module, from `rephase_loops 1` to the closing brace.
  public static func parseModule(
    _ text: String, file: String
  ) throws(Diagnostic) -> LoopModule {
    var parser = try LoopParser(text, file: file)
    let module = try parser.module()
    try parser.finish()
    return module
  }

  /// A whole module that `LoopVerifier` accepts; what it refuses is said of the statement.
  public static func parseVerifiedModule(
    _ text: String, file: String
  ) throws(Diagnostic) -> LoopModule {
    var parser = try LoopParser(text, file: file)
    let module = try parser.module()
    try parser.finish()
    do { try LoopVerifier.verify(module, places: parser.places) } catch {
      throw error.located(at: SourceLocation(file: file))
    }
    return module
  }

  /// One `kernel @name(...) { ... }`.
  public static func parseKernel(
    _ text: String, file: String = "kernel"
  ) throws(Diagnostic) -> Kernel {
    var parser = try LoopParser(text, file: file)
    let kernel = try parser.kernel()
    try parser.finish()
    return kernel
  }

  /// Statements without braces around them.
  public static func parseStatements(
    _ text: String, file: String = "statements"
  ) throws(Diagnostic) -> [Statement] {
    var parser = try LoopParser(text, file: file)
    var statements: [Statement] = []
    while parser.tokens.token != .end { statements.append(try parser.statement()) }
    return statements
  }

  public static func parseExpression(
    _ text: String, file: String = "expression"
  ) throws(Diagnostic) -> Expression {
    var parser = try LoopParser(text, file: file)
    let expression = try parser.expression()
    try parser.finish()
    return expression
  }

  private func finish() throws(Diagnostic) {
    guard tokens.token == .end else { throw tokens.unexpected("the end of the text") }
  }
}

// MARK: Modules

extension LoopParser {
  private mutating func module() throws(Diagnostic) -> LoopModule {
    try header()
    try tokens.expectWord("module")
    var module = LoopModule(name: try tokens.atName("the module's name, as in '@net'"))
    if try tokens.takeIfWord("scheduled") {
      try tokens.expectWord("for")
      module.scheduledFor = try tokens.string("the target, as in \"native\"")
      if case .word(let word) = tokens.token, let precision = Precision(rawValue: word) {
        try tokens.take()
        module.precision = precision
      }
    }
    do throws(Diagnostic) { module.origin = try tokens.modelDescription() } catch {
      throw LoopVerifier.broken("L31", error.message, help: error.help).located(at: error.location)
    }
    try tokens.expect("{")
    var names: Set<String> = []
    while let role = bufferRole {
      let place = tokens.location
      let buffer = try moduleBuffer(role)
      try Self.claim("%" + buffer.buffer.name, in: &names, at: place)
      places.buffers.append(place)
      module.buffers.append(buffer)
    }
    while tokens.isAtWord("kernel") {
      let place = tokens.location
      let kernel = try kernel()
      try Self.claim("@" + kernel.name, in: &names, at: place)
      module.kernels.append(kernel)
    }
    if try tokens.takeIfWord("prepare") { module.prepare = try statements() }
    places.prepare = takeStatementPlaces()
    if try tokens.takeIfWord("run") { module.run = try statements() }
    places.run = takeStatementPlaces()
    guard try tokens.takeIf("}") else {
      throw tokens.unexpected("a buffer, 'kernel', 'prepare', 'run' (in this order) or '}'")
    }
    return module
  }

  private mutating func header() throws(Diagnostic) {
    let place = tokens.location
    guard try tokens.takeIfWord("rephase_loops") else {
      throw Diagnostic(
        "this is not a loop IR dump", at: place,
        help: "its first line must be 'rephase_loops \(LoopPrinter.version)'")
    }
    let version = try tokens.integer("the version")
    guard version == LoopPrinter.version else {
      throw Diagnostic(
        "loop IR version \(version) is not known", at: place,
        help: "write the dump again with this release, which reads version \(LoopPrinter.version)")
    }
  }

  private static func claim(
    _ name: String, in names: inout Set<String>, at place: SourceLocation
  ) throws(Diagnostic) {
    guard names.insert(name).inserted else {
      throw Diagnostic("\(name) is declared twice", at: place, help: "give each its own name")
    }
  }

  /// The word that starts a buffer's declaration, where one comes next.
  private var bufferRole: String? {
    guard case .word(let word) = tokens.token else { return nil }
    let roles = ["parameter", "constant", "input", "output", "slice", "temporary", "scratch"]
    return roles.contains(word) ? word : nil
  }

  private mutating func moduleBuffer(_ word: String) throws(Diagnostic) -> ModuleBuffer {
    try tokens.take()
    let name = try tokens.percentName("the buffer's name, as in '%x'")
    let role: BufferRole
    switch word {
    case "parameter": role = .parameter(try tokens.string("the parameter's name in quotes"))
    case "input": role = .input(try tokens.string("the input's name in quotes"))
    case "output": role = .output(try tokens.string("the output's name in quotes"))
    case "constant": role = .constant
    case "scratch": role = .scratch
    default: role = .temporary(offset: nil)
    }
    let buffer = try buffer(named: name)
    if word == "slice" {
      try tokens.expectWord("of")
      let whole = try tokens.percentName("an input or output, as in '%x'")
      try tokens.expectWord("at")
      return ModuleBuffer(
        buffer, .slice(of: whole, at: try tokens.integer("the first element's number")))
    }
    if case .temporary = role, try tokens.takeIfWord("at") {
      return ModuleBuffer(buffer, .temporary(offset: try tokens.integer("the offset in bytes")))
    }
    return ModuleBuffer(buffer, role)
  }

  private mutating func takeStatementPlaces() -> [SourceLocation] {
    defer { statementPlaces = [] }
    return statementPlaces
  }

  private mutating func kernel() throws(Diagnostic) -> Kernel {
    var kernelPlaces = LoopPlaces.Kernel(name: tokens.location)
    try tokens.expectWord("kernel")
    let name = try tokens.atName("the kernel's name, as in '@copy'")
    var parameters: [KernelParameter] = []
    var names: Set<String> = []
    try tokens.expect("(")
    if !tokens.isAt(")") {
      repeat {
        let place = tokens.location
        let parameter = try parameter()
        try Self.claim("%" + parameter.buffer.name, in: &names, at: place)
        kernelPlaces.parameters.append(place)
        parameters.append(parameter)
      } while try tokens.takeIf(",")
    }
    try tokens.expect(")")
    let body = try statements()
    kernelPlaces.statements = takeStatementPlaces()
    places.kernels.append(kernelPlaces)
    return Kernel(name, parameters: parameters, body: body)
  }

  private mutating func parameter() throws(Diagnostic) -> KernelParameter {
    guard case .word(let word) = tokens.token, let access = Access(rawValue: word) else {
      throw tokens.unexpected("'in', 'out' or 'inout'")
    }
    try tokens.take()
    let name = try tokens.percentName("the parameter's name, as in '%x'")
    return KernelParameter(try buffer(named: name), access)
  }

  /// `: f32[2, 3] strides [3, 1] align 64 heap`, of which all but the type may be left out.
  mutating func buffer(named name: String) throws(Diagnostic) -> Buffer {
    try tokens.expect(":")
    guard case .word(let word) = tokens.token, let element = ElementType(rawValue: word) else {
      throw tokens.unexpected("an element type such as 'f32'")
    }
    try tokens.take()
    let place = tokens.location
    let extents = try tokens.list("[", "]") { tokens throws(Diagnostic) in
      try tokens.integer("an extent")
    }
    do {
      _ = try Shape(extents)
    } catch {
      throw error.located(at: place)
    }
    var buffer = Buffer(name, element, extents: extents)
    if try tokens.takeIfWord("strides") { buffer.strides = try strides(rank: extents.count) }
    if try tokens.takeIfWord("align") { buffer.alignment = try tokens.integer("the alignment") }
    if case .word(let word) = tokens.token, let space = MemorySpace(rawValue: word) {
      try tokens.take()
      buffer.space = space
    }
    return buffer
  }

  private mutating func strides(rank: Int) throws(Diagnostic) -> [Int] {
    let place = tokens.location
    let strides = try tokens.list("[", "]") { tokens throws(Diagnostic) in
      try tokens.integer("a stride")
    }
    guard strides.count == rank else {
      throw Diagnostic(
        "\(strides.count) strides do not fit \(rank) extents", at: place,
        help: "give one stride, in elements, for each extent")
    }
    return strides
  }
}
