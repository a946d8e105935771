import LoopIR
import Tensors

/// The reciprocal square root of each element, correctly rounded twice: 1 / sqrt(x).
public struct Rsqrt: ElementwiseUnary {
  public static let mnemonic = "rsqrt"
  public static let summary =
    "The reciprocal square root of each element, correctly rounded twice: 1 / sqrt(x)."
  public static let domain = 0.1...4.0

  public init() {}

  public static func reference(_ x: Double) -> Double { 1 / x.squareRoot() }
  public static func expression(_ x: Expression, _ element: ElementType) -> Expression {
    .binary(.divide, .real(1, element), .unary(.sqrt, x))
  }
}
