import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// Elements of one of two tensors, as a third says.
public struct Select: TensorOperation {
  public static let mnemonic = "select"
  public static let summary =
    "Operands mask, a, b of one type: b where mask is 0, a elsewhere; the mask is what compare yields."
  public var isExact: Bool { true }

  public init() {}
  public init(_ reader: inout AttributeReader) throws(Diagnostic) {}
  public var attributes: [Attribute] { [] }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 3...3, mnemonic)
    try Require.float(operands, mnemonic)
    try Require.same(operands, mnemonic)
    return [operands[0]]
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    var result = operands[1]
    for position in result.values.indices where operands[0].values[position] == 0 {
      result.values[position] = operands[2].values[position]
    }
    return [result]
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    .pointwise { index, operand in
      let isZero = Expression.binary(.equal, operand(0, index), .real(0, result.element))
      return .select(isZero, operand(2, index), operand(1, index))
    }
  }

  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    let (mask, dy) = (call.operands[0], call.cotangent)
    let zero = try builder.constant(0, like: dy)
    return [
      nil, call.wanted[1] ? try builder.apply(Select(), mask, dy, zero) : nil,
      call.wanted[2] ? try builder.apply(Select(), mask, zero, dy) : nil,
    ]
  }

  public static var samples: [OperationSample] {
    let x = TensorType.sample([2, 3, 5])
    return [
      OperationSample(
        Select(), [x, x, x],
        refused: [[x, x], [x, x, .sample([2])], [x, x, .sample([2, 3, 5], .f64)]]),
      OperationSample(
        Select(), [.sample([7], .f64), .sample([7], .f64), .sample([7], .f64)], domain: -2...2),
    ]
  }
}
