import Diagnostics
import Glibc
import GraphIR
import LoopIR
import Tensors

/// The error function of each element, which the exact GELU needs.
public struct Erf: ElementwiseUnary {
  public static let mnemonic = "erf"
  public static let summary =
    "The error function of each element, as CHLO has it: the integral of 2 / sqrt(pi) e^-t^2 from 0 to x."

  public init() {}

  public static func reference(_ x: Double) -> Double { erf(x) }
  public static func expression(_ x: Expression, _ element: ElementType) -> Expression {
    .unary(.erf, x)
  }

  /// dy 2 / sqrt(pi) e^-x^2
  public static func gradient(
    x: ValueID, y: ValueID, _ cotangent: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID? {
    let square = try builder.multiply(x, x)
    let density = try builder.apply(Exponential(), try builder.apply(Negate(), square))
    let scale = 2 / Double.pi.squareRoot()
    return try builder.multiply(cotangent, try builder.multiply(density, scale))
  }
}
