import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// An operation on one tensor, element by element, without attributes.
public protocol ElementwiseUnary: TensorOperation {
  init()
  /// The range on which the operation is defined and well conditioned, for tests.
  static var domain: ClosedRange<Double> { get }
  /// Whether the operation is defined for f64.
  static var takesDouble: Bool { get }
  static func reference(_ x: Double) -> Double
  static func expression(_ x: Expression, _ element: ElementType) -> Expression
  /// The cotangent of x, from that of the result y; nil where it is zero.
  static func gradient(
    x: ValueID, y: ValueID, _ cotangent: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID?
}

extension ElementwiseUnary {
  public init(_ reader: inout AttributeReader) throws(Diagnostic) { self.init() }
  public var attributes: [Attribute] { [] }
  public static var domain: ClosedRange<Double> { -2...2 }
  public static var takesDouble: Bool { true }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 1...1, mnemonic)
    try Require.float(operands, mnemonic)
    guard Self.takesDouble || operands[0].element != .f64 else {
      throw Diagnostic("\(mnemonic) takes no f64 tensors", help: "convert it to f32 first")
    }
    return operands
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    [operands[0].map(Self.reference)]
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    .pointwise { index, operand in Self.expression(operand(0, index), result.element) }
  }

  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    [try Self.gradient(x: call.operands[0], y: call.results[0], call.cotangent, &builder)]
  }

  public static var samples: [OperationSample] {
    let double = [TensorType.sample([7], .f64)]
    return [
      OperationSample(
        Self(), [.sample([2, 3, 5])], domain: domain,
        refused: [[.sample([2], .i32)], [.sample([2]), .sample([2])], []]
          + (takesDouble ? [] : [double])),
      OperationSample(Self(), takesDouble ? double : [.sample([7])], domain: domain),
    ]
  }
}

/// An operation on two tensors of one type, element by element, without attributes.
public protocol ElementwiseBinary: TensorOperation {
  init()
  static var domain: ClosedRange<Double> { get }
  static func reference(_ a: Double, _ b: Double) -> Double
  static func expression(_ a: Expression, _ b: Expression) -> Expression
}

extension ElementwiseBinary {
  public init(_ reader: inout AttributeReader) throws(Diagnostic) { self.init() }
  public var attributes: [Attribute] { [] }
  public static var domain: ClosedRange<Double> { -2...2 }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 2...2, mnemonic)
    try Require.float(operands, mnemonic)
    try Require.same(operands, mnemonic)
    return [operands[0]]
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    var result = operands[0]
    for position in result.values.indices {
      result.values[position] = Self.reference(
        operands[0].values[position], operands[1].values[position])
    }
    return [result]
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    .pointwise { index, operand in Self.expression(operand(0, index), operand(1, index)) }
  }

  public static var samples: [OperationSample] {
    [
      OperationSample(
        Self(), [.sample([2, 3, 5]), .sample([2, 3, 5])], domain: domain,
        refused: [
          [.sample([2]), .sample([3])], [.sample([2]), .sample([2], .f64)], [.sample([2])],
          [.sample([2], .i32), .sample([2], .i32)],
        ]),
      OperationSample(Self(), [.sample([7], .f64), .sample([7], .f64)], domain: domain),
    ]
  }
}
