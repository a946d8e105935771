import Diagnostics
import Glibc
import GraphIR
import LoopIR
import Tensors

/// The logistic function (sigmoid) of each element: 1 / (1 + e^-x).
public struct Logistic: ElementwiseUnary {
  public static let mnemonic = "logistic"
  public static let summary = "The logistic function (sigmoid) of each element: 1 / (1 + e^-x)."

  public init() {}

  public static func reference(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
  public static func expression(_ x: Expression, _ element: ElementType) -> Expression {
    let one = Expression.real(1, element)
    return .binary(.divide, one, one + .unary(.exp, .unary(.negate, x)))
  }

  /// dy y (1 - y)
  public static func gradient(
    x: ValueID, y: ValueID, _ cotangent: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID? {
    let rest = try builder.subtract(try builder.constant(1, like: y), y)
    return try builder.multiply(cotangent, try builder.multiply(y, rest))
  }
}
