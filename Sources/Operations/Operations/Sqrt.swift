import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// The square root of each element; NaN where it is negative.
public struct Sqrt: ElementwiseUnary {
  public static let mnemonic = "sqrt"
  public static let summary = "The square root of each element; NaN where it is negative."
  public static let domain = 0.1...4.0

  public init() {}

  public static func reference(_ x: Double) -> Double { x.squareRoot() }
  public static func expression(_ x: Expression, _ element: ElementType) -> Expression {
    .unary(.sqrt, x)
  }

  public static func gradient(
    x: ValueID, y: ValueID, _ cotangent: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID? {
    try builder.divide(try builder.multiply(cotangent, 0.5), y)
  }
}
