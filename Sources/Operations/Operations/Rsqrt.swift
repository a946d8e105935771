import Diagnostics
import GraphIR
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

  public static func gradient(
    x: ValueID, y: ValueID, _ cotangent: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID? {
    let cube = try builder.multiply(try builder.multiply(y, y), y)
    return try builder.multiply(try builder.multiply(cotangent, cube), -0.5)
  }
}
