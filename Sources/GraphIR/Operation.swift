import Diagnostics
import Tensors

/// The value of an attribute in an operation's `{key = value}` list.
public enum AttributeValue: Hashable, Sendable {
  case integer(Int)
  case integers([Int])
  case real(Double)
  case string(String)
  /// A bare word such as `max`.
  case word(String)

  /// As the parser reads it back.
  public var text: String {
    switch self {
    case .integer(let value): return "\(value)"
    case .integers(let values): return "[" + values.map(String.init).joined(separator: ", ") + "]"
    case .real(let value): return TextPrinter.real(value)
    case .string(let value): return TextPrinter.quoted(value)
    case .word(let word): return word
    }
  }
}

public struct Attribute: Hashable, Sendable {
  public var name: String
  public var value: AttributeValue

  public init(_ name: String, _ value: AttributeValue) {
    self.name = name
    self.value = value
  }
}

/// One kind of tensor computation: its text form and its types.
///
/// What it computes (reference semantics, loops) is declared in Operations, so that this module stays free of both.
public protocol Operation: Sendable {
  /// The name in the text form: the StableHLO name where there is one.
  static var mnemonic: String { get }

  /// Attributes in the order in which they are printed.
  var attributes: [Attribute] { get }

  /// Reads what `attributes` gave; the reader also knows the result types that the text declares.
  init(_ reader: inout AttributeReader) throws(Diagnostic)

  /// The result types, or a diagnostic that says which operand is wrong and how.
  func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType]
}

extension Operation {
  public var mnemonic: String { Self.mnemonic }

  /// The attribute that is printed bare after the op's name instead of in the list (`parameter "head.weight"`).
  public var literal: AttributeValue? {
    attributes.first { $0.name == AttributeReader.literalName }?.value
  }
}

/// Hands an operation its attributes one by one and complains about what is missing, mistyped or left over.
public struct AttributeReader {
  /// The name under which the bare literal after the op's name is kept.
  public static let literalName = "value"

  private var remaining: [Attribute]
  /// The types after the colon.
  public let resultTypes: [TensorType]
  private let mnemonic: String

  public init(mnemonic: String, attributes: [Attribute], resultTypes: [TensorType]) {
    self.mnemonic = mnemonic
    remaining = attributes
    self.resultTypes = resultTypes
  }

  private mutating func take(_ name: String) -> AttributeValue? {
    guard let index = remaining.firstIndex(where: { $0.name == name }) else { return nil }
    return remaining.remove(at: index).value
  }

  private mutating func required(_ name: String) throws(Diagnostic) -> AttributeValue {
    guard let value = take(name) else {
      throw Diagnostic(
        "\(mnemonic) needs the attribute '\(name)'", help: "add \(name) = ... to its attribute list"
      )
    }
    return value
  }

  private func mistyped(_ name: String, _ wanted: String, _ value: AttributeValue) -> Diagnostic {
    Diagnostic("attribute '\(name)' of \(mnemonic) must be \(wanted), not \(value.text)")
  }

  /// A list of `count` integers, or of any number where `count` is nil.
  public mutating func integers(_ name: String, count: Int? = nil) throws(Diagnostic) -> [Int] {
    let value = try required(name)
    guard case .integers(let list) = value, count == nil || list.count == count else {
      throw mistyped(name, count.map { "a list of \($0) integers" } ?? "a list of integers", value)
    }
    return list
  }

  /// The same of an attribute that may be left out.
  public mutating func integers(
    _ name: String, count: Int? = nil, default usual: [Int]
  ) throws(Diagnostic) -> [Int] {
    guard remaining.contains(where: { $0.name == name }) else { return usual }
    return try integers(name, count: count)
  }

  public mutating func integer(_ name: String) throws(Diagnostic) -> Int {
    let value = try required(name)
    guard case .integer(let number) = value else { throw mistyped(name, "an integer", value) }
    return number
  }

  /// The same of an attribute that may be left out.
  public mutating func integer(_ name: String, default usual: Int) throws(Diagnostic) -> Int {
    guard remaining.contains(where: { $0.name == name }) else { return usual }
    return try integer(name)
  }

  public mutating func real(_ name: String) throws(Diagnostic) -> Double {
    let value = try required(name)
    switch value {
    case .real(let number): return number
    case .integer(let number): return Double(number)
    default: throw mistyped(name, "a number", value)
    }
  }

  public mutating func string(_ name: String) throws(Diagnostic) -> String {
    let value = try required(name)
    guard case .string(let text) = value else { throw mistyped(name, "a string", value) }
    return text
  }

  public mutating func word(_ name: String, of choices: [String]) throws(Diagnostic) -> String {
    let value = try required(name)
    guard case .word(let word) = value, choices.contains(word) else {
      throw mistyped(name, choices.joined(separator: " or "), value)
    }
    return word
  }

  /// The single declared result type, for operations whose operands do not determine it.
  public func declaredType() throws(Diagnostic) -> TensorType {
    guard resultTypes.count == 1 else {
      throw Diagnostic("\(mnemonic) has one result, but \(resultTypes.count) types are declared")
    }
    return resultTypes[0]
  }

  /// Throws where attributes are left that the operation does not have.
  public func finish() throws(Diagnostic) {
    if let extra = remaining.first {
      throw Diagnostic("\(mnemonic) has no attribute '\(extra.name)'", help: "remove it")
    }
  }
}

/// The operations that a text may name.
public struct OperationTable: Sendable {
  public let types: [String: any Operation.Type]
  /// In alphabetical order.
  public let mnemonics: [String]

  public init(_ list: [any Operation.Type]) {
    var types: [String: any Operation.Type] = [:]
    for type in list { types[type.mnemonic] = type }
    self.types = types
    mnemonics = types.keys.sorted()
  }
}
