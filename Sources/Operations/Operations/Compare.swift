import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// 1 where a comparison of two elements holds, 0 elsewhere.
public struct Compare: TensorOperation {
  /// StableHLO's names.
  public enum Direction: String, Hashable, Sendable, CaseIterable {
    case EQ, NE, GE, GT, LE, LT
  }

  public static let mnemonic = "compare"
  public static let summary =
    "1 where a direction b holds, 0 elsewhere, in the operands' type; direction is EQ, NE, GE, GT, LE or LT, and with NaN only NE holds. Its derivative is 0."

  public var direction: Direction
  public var isExact: Bool { true }

  public init(_ direction: Direction) { self.direction = direction }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    let word = try reader.word("direction", of: Direction.allCases.map(\.rawValue))
    direction = Direction(rawValue: word) ?? .EQ
  }

  public var attributes: [Attribute] { [Attribute("direction", .word(direction.rawValue))] }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 2...2, mnemonic)
    try Require.float(operands, mnemonic)
    try Require.same(operands, mnemonic)
    return [operands[0]]
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    var result = operands[0]
    for position in result.values.indices {
      let holds = holds(operands[0].values[position], operands[1].values[position])
      result.values[position] = holds ? 1 : 0
    }
    return [result]
  }

  private func holds(_ a: Double, _ b: Double) -> Bool {
    switch direction {
    case .EQ: return a == b
    case .NE: return a != b
    case .GE: return a >= b
    case .GT: return a > b
    case .LE: return a <= b
    case .LT: return a < b
    }
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    .pointwise { index, operand in
      let (one, zero) = (Expression.real(1, result.element), Expression.real(0, result.element))
      return .select(condition(operand(0, index), operand(1, index)), one, zero)
    }
  }

  private func condition(_ a: Expression, _ b: Expression) -> Expression {
    switch direction {
    case .EQ: return .binary(.equal, a, b)
    case .NE: return .unary(.not, .binary(.equal, a, b))
    case .GE: return .binary(.lessOrEqual, b, a)
    case .GT: return .binary(.less, b, a)
    case .LE: return .binary(.lessOrEqual, a, b)
    case .LT: return .binary(.less, a, b)
    }
  }

  /// Constant wherever it has a derivative.
  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] { [nil, nil] }

  public static var samples: [OperationSample] {
    let x = TensorType.sample([2, 3, 5])
    return Direction.allCases.map { direction in
      OperationSample(
        Compare(direction), [x, x],
        refused: [[x, .sample([2, 3])], [x], [.sample([2], .i32), .sample([2], .i32)]])
    } + [OperationSample(Compare(.LT), [.sample([7], .f64), .sample([7], .f64)])]
  }
}
