import Diagnostics
import Glibc
import GraphIR
import LoopIR
import Tensors

/// The natural logarithm of each element.
public struct Log: ElementwiseUnary {
  public static let mnemonic = "log"
  public static let summary =
    "The natural logarithm of each element; -infinity of 0, NaN where it is negative."
  public static let domain = 0.1...4.0

  public init() {}

  public static func reference(_ x: Double) -> Double { log(x) }
  public static func expression(_ x: Expression, _ element: ElementType) -> Expression {
    .unary(.log, x)
  }

  public static func gradient(
    x: ValueID, y: ValueID, _ cotangent: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID? {
    try builder.divide(cotangent, x)
  }
}
