import Diagnostics
import Glibc
import GraphIR
import LoopIR
import Tensors

/// The arc tangent of each element, in radians from -pi / 2 to pi / 2.
///
/// CHLO's name; StableHLO has `atan2` alone.
public struct Atan: ElementwiseUnary {
  public static let mnemonic = "atan"
  public static let summary =
    "The arc tangent of each element, in radians from -pi / 2 to pi / 2."

  public init() {}

  public static func reference(_ x: Double) -> Double { atan(x) }
  public static func expression(_ x: Expression, _ element: ElementType) -> Expression {
    .unary(.atan, x)
  }

  /// dy / (1 + x^2)
  public static func gradient(
    x: ValueID, y: ValueID, _ cotangent: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID? {
    let slope = try builder.add(try builder.multiply(x, x), 1)
    return try builder.apply(Divide(), cotangent, slope)
  }
}
