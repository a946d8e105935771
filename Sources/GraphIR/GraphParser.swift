import Diagnostics
import Tensors

/// Reads the graph IR's text form (IR/LanguageReference.md).
///
/// Every operation's types are inferred and compared with the declared ones while reading, so a module that
/// comes back has passed the verifier.
public struct GraphParser {
  private var tokens: TokenStream
  private let table: OperationTable
  /// Regions cannot nest deeper than this: a fused region holds plain operations.
  private static let maximumDepth = 1
  /// More functions than any dump has: a model, its training step.
  private static let maximumFunctions = 1000
  /// Operations read so far, in all functions and regions.
  private var operationCount = 0

  /// Throws a located diagnostic for anything that is not a well-typed module.
  public static func parse(
    _ text: String, file: String, table: OperationTable
  ) throws(Diagnostic) -> Module {
    var parser = GraphParser(tokens: try TokenStream(text, file: file), table: table)
    return try parser.module()
  }

  private init(tokens: TokenStream, table: OperationTable) {
    self.tokens = tokens
    self.table = table
  }

  private mutating func module() throws(Diagnostic) -> Module {
    guard try tokens.takeIfWord("rephase_ir") else {
      throw Diagnostic(
        "a graph dump starts with '\(GraphPrinter.header)'", at: tokens.location,
        help: "check that this is a graph dump")
    }
    let place = tokens.location
    let version = try tokens.integer("a version number")
    guard version == 1 else {
      throw Diagnostic(
        "version \(version) of the graph IR is not known", at: place,
        help: "this Rephase reads version 1")
    }
    var functions: [Function] = []
    while tokens.token != .end {
      let place = tokens.location
      guard functions.count < Self.maximumFunctions else {
        throw Diagnostic("the dump has more than \(Self.maximumFunctions) functions", at: place)
      }
      let function = try self.function()
      guard !functions.contains(where: { $0.name == function.name }) else {
        throw Diagnostic("[G1] function @\(function.name) is defined twice", at: place)
      }
      functions.append(function)
    }
    guard !functions.isEmpty else {
      throw Diagnostic("the dump has no function", at: tokens.location)
    }
    return Module(functions)
  }

  private mutating func function() throws(Diagnostic) -> Function {
    try tokens.expectWord("func")
    var function = Function(try tokens.atName("a function name such as '@resnet4'"))
    var scope: [String: ValueID] = [:]
    try arguments(of: &function, &scope)
    try tokens.expect("->")
    let place = tokens.location
    let declared = try types()
    function.origin = try origin()
    try tokens.expect("{")
    try body(of: &function, &scope, depth: 0)
    let actual = function.types(of: function.results)
    guard actual == declared else {
      throw Diagnostic(
        "[G6] @\(function.name) returns \(list(actual)), but declares \(list(declared))", at: place)
    }
    return function
  }

  private mutating func origin() throws(Diagnostic) -> ModelDescription? {
    do throws(Diagnostic) { return try tokens.modelDescription() } catch {
      var broken = error
      broken.message = "[G11] " + error.message
      throw broken
    }
  }

  private mutating func arguments(
    of function: inout Function, _ scope: inout [String: ValueID]
  ) throws(Diagnostic) {
    try tokens.expect("(")
    if try tokens.takeIf(")") { return }
    repeat {
      let place = tokens.location
      guard function.arguments.count < TokenStream.maximumItems else {
        throw Diagnostic("a list has more than \(TokenStream.maximumItems) items", at: place)
      }
      let name = try tokens.percentName("an argument such as '%x'")
      try tokens.expect(":")
      let value = function.addArgument(try type(), name: name)
      try define(name, value, &scope, at: place)
    } while try tokens.takeIf(",")
    try tokens.expect(")")
  }

  private func define(
    _ name: String, _ value: ValueID, _ scope: inout [String: ValueID], at place: SourceLocation
  ) throws(Diagnostic) {
    guard scope.updateValue(value, forKey: name) == nil else {
      throw Diagnostic("[G2] %\(name) is defined twice", at: place, help: "rename one of the two")
    }
  }

  /// Operations up to `return` and the closing brace.
  private mutating func body(
    of function: inout Function, _ scope: inout [String: ValueID], depth: Int
  ) throws(Diagnostic) {
    while !tokens.isAtWord("return") {
      try operation(into: &function, &scope, depth: depth)
    }
    try tokens.take()
    repeat { function.results.append(try value(scope)) } while try tokens.takeIf(",")
    try tokens.expect("}")
  }

  private mutating func value(_ scope: [String: ValueID]) throws(Diagnostic) -> ValueID {
    let place = tokens.location
    let name = try tokens.percentName("a value such as '%x'")
    guard let value = scope[name] else {
      throw Diagnostic(
        "[G3] %\(name) is not defined before this use", at: place,
        help: "define it above, or correct the name")
    }
    return value
  }

  private mutating func operation(
    into function: inout Function, _ scope: inout [String: ValueID], depth: Int
  ) throws(Diagnostic) {
    let start = tokens.location
    operationCount += 1
    guard operationCount <= Function.maximumNodes else {
      throw Diagnostic("the dump has more than \(Function.maximumNodes) operations", at: start)
    }
    var names: [(String, SourceLocation)] = []
    repeat {
      let place = tokens.location
      names.append(
        (try tokens.percentName("an operation's result such as '%1', or 'return'"), place))
    } while try tokens.takeIf(",")
    try tokens.expect("=")
    let opPlace = tokens.location
    let mnemonic = try tokens.word("an operation's name")
    guard let operationType = table.types[mnemonic] else {
      throw Diagnostic(
        "there is no operation '\(mnemonic)'", at: opPlace,
        help: "the operations are \(table.mnemonics.joined(separator: ", "))")
    }
    var attributes: [Attribute] = []
    if let literal = try literal() {
      attributes.append(Attribute(AttributeReader.literalName, literal))
    }
    var operands: [ValueID] = []
    if case .percent = tokens.token {
      repeat { operands.append(try value(scope)) } while try tokens.takeIf(",")
    }
    if tokens.isAt("{") {
      var names: Set<String> = []
      attributes += try tokens.list("{", "}") { (tokens) throws(Diagnostic) in
        let place = tokens.location
        let name = try tokens.word("an attribute's name")
        guard names.insert(name).inserted else {
          throw Diagnostic(
            "the attribute '\(name)' is given twice", at: place, help: "remove one of them")
        }
        try tokens.expect("=")
        return Attribute(name, try Self.attributeValue(&tokens))
      }
    }
    try tokens.expect(":")
    let declared = try types()
    var regions: [Function] = []
    if tokens.isAt("{") { regions.append(try region(depth: depth)) }
    let location = try userLocation() ?? start
    let results: [ValueID]
    do throws(Diagnostic) {
      var reader = AttributeReader(
        mnemonic: mnemonic, attributes: attributes, resultTypes: declared)
      let operation = try operationType.init(&reader)
      try reader.finish()
      try RegionRules.check(operation, operands: function.types(of: operands), regions)
      results = try function.append(
        operation, operands, regions: regions, names: names.map(\.0), at: location)
      try check(declared, names.count, against: function.types(of: results), mnemonic)
    } catch {
      var located = error
      located.location = opPlace
      throw located
    }
    for (name, value) in zip(names, results) { try define(name.0, value, &scope, at: name.1) }
  }

  private func check(
    _ declared: [TensorType], _ names: Int, against inferred: [TensorType], _ mnemonic: String
  ) throws(Diagnostic) {
    guard names == inferred.count else {
      throw Diagnostic(
        "[G4] \(mnemonic) has another number of results (\(inferred.count)) than names before it (\(names))"
      )
    }
    guard declared == inferred else {
      throw Diagnostic(
        "[G5] \(mnemonic) yields \(list(inferred)), but \(list(declared)) is declared",
        help: "declare \(list(inferred)), or correct the operands")
    }
  }

  private mutating func region(depth: Int) throws(Diagnostic) -> Function {
    let place = tokens.location
    guard depth < Self.maximumDepth else {
      throw Diagnostic("[G7] regions do not nest", at: place, help: "flatten the inner region")
    }
    try tokens.expect("{")
    try tokens.expect("^")
    var function = Function("")
    var scope: [String: ValueID] = [:]
    try arguments(of: &function, &scope)
    try tokens.expect(":")
    try body(of: &function, &scope, depth: depth + 1)
    return function
  }

  /// `loc("ResNet.swift":21)`.
  private mutating func userLocation() throws(Diagnostic) -> SourceLocation? {
    guard try tokens.takeIfWord("loc") else { return nil }
    try tokens.expect("(")
    let file = try tokens.string("a file name")
    try tokens.expect(":")
    let line = try tokens.integer("a line number")
    try tokens.expect(")")
    return SourceLocation(file: file, line: line)
  }

  private mutating func literal() throws(Diagnostic) -> AttributeValue? {
    switch tokens.token {
    case .string, .integer, .real, .symbol("-"), .word("inf"), .word("nan"):
      return try Self.attributeValue(&tokens)
    default: return nil
    }
  }

  private static func attributeValue(
    _ tokens: inout TokenStream
  ) throws(Diagnostic) -> AttributeValue {
    if tokens.isAt("[") {
      return .integers(
        try tokens.list("[", "]") { (tokens) throws(Diagnostic) in try tokens.integer("an integer")
        })
    }
    let negative = try tokens.takeIf("-")
    let place = tokens.location
    switch try tokens.take() {
    case .integer(let value): return .integer(negative ? -value : value)
    case .real(let value): return .real(negative ? -value : value)
    case .string(let text) where !negative: return .string(text)
    case .word("inf"): return .real(negative ? -.infinity : .infinity)
    case .word("nan"): return .real(.nan)
    case .word(let word) where !negative: return .word(word)
    case let other:
      throw Diagnostic("expected an attribute's value, found '\(other.text)'", at: place)
    }
  }

  /// One type, or several in parentheses.
  private mutating func types() throws(Diagnostic) -> [TensorType] {
    guard tokens.isAt("(") else { return [try type()] }
    return try tokens.list("(", ")") { (tokens) throws(Diagnostic) in
      try tokens.tensorType()
    }
  }

  private mutating func type() throws(Diagnostic) -> TensorType { try tokens.tensorType() }

  private func list(_ types: [TensorType]) -> String { TensorType.list(types) }
}
