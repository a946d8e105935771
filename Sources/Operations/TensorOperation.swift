import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// An operation with all its facets: text form and types (from `Operation`), meaning, loops and samples.
///
/// One file per operation holds them all; adding one touches that file and a line of `OperationRegistry`.
/// The tests of the operation contract run over every registered operation by themselves.
public protocol TensorOperation: Operation, Hashable {
  /// One paragraph for IR/Operations.md: what it computes, with its formula.
  static var summary: String { get }

  /// Attributes that a text may leave out: they then have their usual values, with which they are never printed.
  static var optionalAttributes: [String] { get }

  /// Whether results are elements of the operands, perhaps of the other sign, or integers: float32 rounds none of them.
  var isExact: Bool { get }

  /// Well-typed uses, and what must be refused; every attribute's effect should show in one of them.
  static var samples: [OperationSample] { get }

  /// Float64 reference semantics: slow, obvious, without rounding to the element type.
  ///
  /// - Parameters:
  ///   - operands: as many and of such shapes as type inference accepted.
  ///   - results: the inferred types.
  func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>]

  /// What each element of the (single) result is, written once for every schedule.
  func computation(operands: [TensorType], result: TensorType) -> Computation

  /// The cotangents of the operands, in terms of operations appended to the builder; nil where it is zero
  /// everywhere, or where it is not wanted.
  ///
  /// Throws where the operation has no derivative for its attributes.
  func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?]
}

extension TensorOperation {
  public static var optionalAttributes: [String] { [] }
  public var isExact: Bool { false }
}

/// Gives the element of an operand (by number) at an index.
public typealias ElementReader = (_ operand: Int, _ index: [Expression]) -> Expression

/// What one element of a result is, as a function of its index.
public enum Computation {
  /// An expression of the operands' elements.
  case pointwise((_ index: [Expression], _ operand: ElementReader) -> Expression)
  /// An accumulation over further indices.
  case reduction(Reduction)
  /// Operands placed one after the other along a dimension.
  case concatenation(dimension: Int)
  /// Memory that the model is given: a parameter.
  case source
}

/// `a = initial; for r in ranges where conditions hold: a = update(a, r)`.
public struct Reduction {
  /// One index that is summed over.
  public struct Range {
    public var name: String
    public var extent: Int
    /// Conditions on the result's index and this and earlier reduction indices; elsewhere nothing is accumulated.
    public var conditions: (_ index: [Expression], _ reduced: [Expression]) -> [Expression]

    public init(
      _ name: String, _ extent: Int,
      conditions: @escaping (_ index: [Expression], _ reduced: [Expression]) -> [Expression] = {
        _, _ in []
      }
    ) {
      self.name = name
      self.extent = extent
      self.conditions = conditions
    }
  }

  /// Outermost first.
  public var ranges: [Range]
  public var initial: (_ index: [Expression], _ operand: ElementReader) -> Expression
  public var update:
    (
      _ accumulated: Expression, _ index: [Expression], _ reduced: [Expression],
      _ operand: ElementReader
    )
      -> Expression
}

/// One use of an operation for the contract tests and the generated documentation.
public struct OperationSample: Sendable {
  public var operation: any TensorOperation
  public var operands: [TensorType]
  /// For operations with a region.
  public var region: Function?
  /// Values of the operands are drawn from this range.
  public var domain: ClosedRange<Double>
  /// Operand types that type inference must refuse.
  public var refused: [[TensorType]]

  public init(
    _ operation: any TensorOperation, _ operands: [TensorType],
    domain: ClosedRange<Double> = -2...2, region: Function? = nil, refused: [[TensorType]] = []
  ) {
    self.operation = operation
    self.operands = operands
    self.domain = domain
    self.region = region
    self.refused = refused
  }
}

extension TensorType {
  /// For samples: a literal type, whose extents are known to be valid.
  static func sample(_ extents: [Int], _ element: ElementType = .f32) -> TensorType {
    guard let shape = try? Shape(extents) else { return TensorType(.scalar, element) }
    return TensorType(shape, element)
  }
}

/// The checks that most operations' type inference shares.
enum Require {
  static func count(_ operands: [TensorType], _ allowed: ClosedRange<Int>, _ mnemonic: String)
    throws(Diagnostic)
  {
    guard allowed.contains(operands.count) else {
      let wanted =
        allowed.count == 1
        ? "\(allowed.lowerBound)" : "\(allowed.lowerBound) to \(allowed.upperBound)"
      let noun = allowed == 1...1 ? "operand" : "operands"
      throw Diagnostic("\(mnemonic) takes \(wanted) \(noun), not \(operands.count)")
    }
  }

  static func float(_ operands: [TensorType], _ mnemonic: String) throws(Diagnostic) {
    for type in operands where !type.element.isFloat {
      throw Diagnostic("\(mnemonic) takes floating-point tensors, not \(type)")
    }
  }

  static func same(_ operands: [TensorType], _ mnemonic: String) throws(Diagnostic) {
    for type in operands.dropFirst() where type != operands[0] {
      throw Diagnostic(
        "\(mnemonic) takes operands of one type, not \(operands[0]) and \(type)",
        help: "use broadcast_in_dim or convert first")
    }
  }

  static func rank(_ rank: Int, _ type: TensorType, _ role: String) throws(Diagnostic) {
    guard type.shape.rank == rank else {
      throw Diagnostic("the \(role) must have \(rank) dimensions, not \(type)")
    }
  }

  static func element(_ element: ElementType, _ type: TensorType, _ role: String) throws(Diagnostic)
  {
    guard type.element == element else {
      throw Diagnostic("the \(role) must have elements of \(element.rawValue), not \(type)")
    }
  }

  static func shape(_ extents: [Int], _ type: TensorType, _ role: String) throws(Diagnostic) {
    guard type.shape.extents == extents else {
      throw Diagnostic("the \(role) must have the shape \(extents), not \(type)")
    }
  }
}
