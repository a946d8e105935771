import Diagnostics
import Glibc
import GraphIR
import LoopIR
import Tensors

/// The hyperbolic tangent of each element.
public struct Tanh: ElementwiseUnary {
  public static let mnemonic = "tanh"
  public static let summary = "The hyperbolic tangent of each element."

  public init() {}

  public static func reference(_ x: Double) -> Double { tanh(x) }
  public static func expression(_ x: Expression, _ element: ElementType) -> Expression {
    .unary(.tanh, x)
  }

  /// dy (1 - y^2)
  public static func gradient(
    x: ValueID, y: ValueID, _ cotangent: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID? {
    let square = try builder.multiply(y, y)
    let slope = try builder.subtract(try builder.constant(1, like: y), square)
    return try builder.multiply(cotangent, slope)
  }
}
