import Diagnostics
import Tensors

/// Names one value of one function.
public struct ValueID: Hashable, Sendable, Comparable {
  public let index: Int32

  init(_ index: Int) { self.index = Int32(index) }

  public static func < (a: ValueID, b: ValueID) -> Bool { a.index < b.index }
}

/// What is known of a value besides who defines it.
public struct ValueInfo: Hashable, Sendable {
  public var type: TensorType
  /// A name for readers of dumps; the printer makes it unique.
  public var name: String?
}

/// One operation applied to values.
public struct Node: Sendable {
  public var operation: any Operation
  public var operands: [ValueID]
  public var results: [ValueID]
  /// The inner function of a `fused` operation; none elsewhere.
  public var regions: [Function]
  /// Where the user wrote it.
  public var location: SourceLocation?
}

/// A list of operations in which each value is defined once, before its uses.
public struct Function: Sendable {
  public var name: String
  /// The network that it is the graph of, where that is known.
  public var origin: ModelDescription?
  public private(set) var values: [ValueInfo] = []
  public private(set) var arguments: [ValueID] = []
  public var nodes: [Node] = []
  public var results: [ValueID] = []

  /// More operations than any real model has; keeps hostile dumps small.
  public static let maximumNodes = 100_000

  public init(_ name: String) { self.name = name }

  public func type(of value: ValueID) -> TensorType { values[Int(value.index)].type }
  public func types(of list: [ValueID]) -> [TensorType] { list.map(type(of:)) }
  public func name(of value: ValueID) -> String? { values[Int(value.index)].name }

  /// Gives a value another name for readers of dumps.
  public mutating func setName(_ name: String?, of value: ValueID) {
    values[Int(value.index)].name = name
  }

  /// Adds an argument of the function.
  public mutating func addArgument(_ type: TensorType, name: String? = nil) -> ValueID {
    let value = addValue(type, name: name)
    arguments.append(value)
    return value
  }

  private mutating func addValue(_ type: TensorType, name: String?) -> ValueID {
    values.append(ValueInfo(type: type, name: name))
    return ValueID(values.count - 1)
  }

  /// Appends an operation; its result types are inferred.
  ///
  /// Throws what the operation's type inference throws, with the location.
  @discardableResult
  public mutating func append(
    _ operation: any Operation, _ operands: [ValueID], regions: [Function] = [],
    names: [String?] = [], at location: SourceLocation? = nil
  ) throws(Diagnostic) -> [ValueID] {
    guard nodes.count < Self.maximumNodes else {
      throw Diagnostic(
        "function @\(name) has more than \(Self.maximumNodes) operations", at: location)
    }
    let types: [TensorType]
    if let body = regions.first {
      types = body.types(of: body.results)
    } else {
      do { types = try operation.inferResults(self.types(of: operands)) } catch {
        throw error.located(at: location)
      }
    }
    let results = types.enumerated().map { index, type in
      addValue(type, name: index < names.count ? names[index] : nil)
    }
    nodes.append(
      Node(
        operation: operation, operands: operands, results: results, regions: regions,
        location: location))
    return results
  }

  /// The node that defines each value; nothing for arguments.
  public func definitions() -> [ValueID: Int] {
    var definitions: [ValueID: Int] = [:]
    for (index, node) in nodes.enumerated() {
      for result in node.results { definitions[result] = index }
    }
    return definitions
  }

  /// The nodes that use each value; `nodes.count` stands for the function's return.
  public func uses() -> [ValueID: [Int]] {
    var uses: [ValueID: [Int]] = [:]
    for (index, node) in nodes.enumerated() {
      for operand in node.operands { uses[operand, default: []].append(index) }
    }
    for result in results { uses[result, default: []].append(nodes.count) }
    return uses
  }
}

/// The functions of one dump; the first is the model.
public struct Module: Sendable {
  public var functions: [Function]

  public init(_ functions: [Function]) { self.functions = functions }
}
