import Diagnostics
import GraphIR
import Operations
import Tensors

/// Writes down the operations that a network's function applies.
///
/// A network's function does not throw: the first thing that goes wrong is kept here, later operations do nothing,
/// and the trace as a whole throws it.
final class Tracer {
  private(set) var function: Function
  private(set) var failure: Diagnostic?
  private let names: [ObjectIdentifier: String]
  private var traced: [ObjectIdentifier: ValueID] = [:]

  init(_ name: String, parameters: [NamedParameter]) {
    function = Function(name)
    names = Dictionary(
      parameters.map { ($0.identity, $0.name) }, uniquingKeysWith: { first, _ in first })
  }

  func argument(_ type: TensorType, name: String) -> Value {
    Value(tracer: self, id: function.addArgument(type, name: name), type: type)
  }

  /// Keeps the first failure and gives a value that stands for nothing.
  func fail(_ diagnostic: Diagnostic, like operand: Value) -> Value {
    if failure == nil { failure = diagnostic }
    return Value(tracer: self, id: nil, type: operand.type)
  }

  /// Appends an operation with one result; `like` is an operand or any other value of the trace.
  func record(
    _ operation: any Operation, _ operands: [Value], like: Value, name: String? = nil,
    at location: SourceLocation?
  ) -> Value {
    guard failure == nil else { return Value(tracer: self, id: nil, type: like.type) }
    guard operands.allSatisfy({ $0.tracer === self }) else {
      return fail(Self.foreign(operation.mnemonic, location), like: like)
    }
    do {
      let results = try function.append(
        operation, operands.compactMap(\.id), names: [name.map(Self.printable)], at: location)
      return Value(tracer: self, id: results[0], type: function.type(of: results[0]))
    } catch {
      return fail(error, like: like)
    }
  }

  /// Appends what a few operations make of `operand`.
  func record(
    like operand: Value, at location: SourceLocation?,
    _ build: (ValueID, inout GraphBuilder) throws(Diagnostic) -> ValueID
  ) -> Value {
    record([operand], at: location) { (values, builder) throws(Diagnostic) in
      try build(values[0], &builder)
    }
  }

  /// The same of several values of this trace, one at least.
  func record(
    _ operands: [Value], at location: SourceLocation?,
    _ build: ([ValueID], inout GraphBuilder) throws(Diagnostic) -> ValueID
  ) -> Value {
    let values = operands.compactMap(\.id)
    guard failure == nil, values.count == operands.count else {
      return Value(tracer: self, id: nil, type: operands[0].type)
    }
    guard operands.allSatisfy({ $0.tracer === self }) else {
      return fail(Self.foreign("a layer", location), like: operands[0])
    }
    var builder = GraphBuilder(function, at: location)
    do {
      let result = try build(values, &builder)
      function = builder.function
      return Value(tracer: self, id: result, type: function.type(of: result))
    } catch { return fail(error.located(at: location), like: operands[0]) }
  }

  private static func foreign(_ what: String, _ location: SourceLocation?) -> Diagnostic {
    Diagnostic(
      "\(what) is applied to a value of another network's trace", at: location,
      help: "use only values that come from the network's argument")
  }

  /// The parameter's value; each parameter stands in the graph once.
  func value(of parameter: Parameter, like: Value, at location: SourceLocation?) -> Value {
    let identity = ObjectIdentifier(parameter)
    guard let name = names[identity] else {
      return fail(
        Diagnostic(
          "a layer is applied whose parameters no stored property of the network leads to",
          at: location, help: "keep the layer in a stored property (let), not a computed one"),
        like: like)
    }
    if let id = traced[identity] {
      return Value(tracer: self, id: id, type: function.type(of: id))
    }
    let shape: Shape
    do { shape = try Shape(parameter.shape) } catch {
      return fail(error.located(at: location), like: like)
    }
    let operation = ParameterOperation(name, TensorType(shape, .f32))
    let value = record(operation, [], like: like, name: name, at: location)
    traced[identity] = value.id
    return value
  }

  /// The name of a layer, from that of one of its parameters: `head` from `head.weight`.
  func layerName(of parameter: Parameter) -> String? {
    guard let name = names[ObjectIdentifier(parameter)], let dot = name.lastIndex(of: ".") else {
      return nil
    }
    return String(name[..<dot])
  }

  /// Where the value was computed; nothing for arguments.
  func location(of value: Value) -> SourceLocation? {
    guard let id = value.id else { return nil }
    return function.nodes.last { $0.results.contains(id) }?.location
  }

  /// The traced function with these results; throws the first failure.
  func finish(_ results: [Value]) throws(Diagnostic) -> Function {
    if let failure { throw failure }
    let identifiers = results.compactMap { $0.tracer === self ? $0.id : nil }
    guard !results.isEmpty, identifiers.count == results.count else {
      throw Diagnostic(
        "network '\(function.name)' returns no value that comes from its argument",
        help: "return the result of a layer")
    }
    function.results = identifiers
    return function
  }

  /// A name with only those characters that names in dumps may have.
  static func printable(_ name: String) -> String {
    String(
      name.unicodeScalars.map { scalar in
        let isAllowed =
          scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
          || scalar == "_" || scalar == "."
        return isAllowed ? Character(scalar) : "_"
      })
  }
}

extension SourceLocation {
  /// Where the user wrote a call: the file without its folders, so that dumps do not depend on where it lies.
  static func place(_ fileID: String, _ line: Int) -> SourceLocation {
    let file = fileID.split(separator: "/").last.map(String.init) ?? fileID
    return SourceLocation(file: file, line: line)
  }
}
