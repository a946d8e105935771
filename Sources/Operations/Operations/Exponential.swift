import Diagnostics
import Glibc
import GraphIR
import LoopIR
import Tensors

/// The exponential of each element: e^x.
public struct Exponential: ElementwiseUnary {
  public static let mnemonic = "exponential"
  public static let summary = "The exponential of each element: e^x."

  public init() {}

  public static func reference(_ x: Double) -> Double { exp(x) }
  public static func expression(_ x: Expression, _ element: ElementType) -> Expression {
    .unary(.exp, x)
  }

  public static func gradient(
    x: ValueID, y: ValueID, _ cotangent: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID? {
    try builder.multiply(cotangent, y)
  }
}
