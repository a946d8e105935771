import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// -1, 0 or 1, as each element is negative, zero or positive.
public struct Sign: ElementwiseUnary {
  public static let mnemonic = "sign"
  public static let summary =
    "-1, 0 or 1, as each element is negative, zero or positive; NaN stays NaN."
  public var isExact: Bool { true }

  public init() {}

  public static func reference(_ x: Double) -> Double { x > 0 ? 1 : x < 0 ? -1 : x.isNaN ? x : 0 }
  public static func expression(_ x: Expression, _ element: ElementType) -> Expression {
    let zero = Expression.real(0, element)
    let rest: Expression = .select(.binary(.equal, x, zero), zero, x)
    let negative: Expression = .select(.binary(.less, x, zero), .real(-1, element), rest)
    return .select(.binary(.less, zero, x), .real(1, element), negative)
  }

  /// Constant wherever it has a derivative.
  public static func gradient(
    x: ValueID, y: ValueID, _ cotangent: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID? { nil }
}
