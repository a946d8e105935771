import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// The absolute value of each element: |x|.
public struct Abs: ElementwiseUnary {
  public static let mnemonic = "abs"
  public static let summary = "The absolute value of each element: |x|; its derivative at 0 is 0."
  public var isExact: Bool { true }

  public init() {}

  public static func reference(_ x: Double) -> Double { abs(x) }
  public static func expression(_ x: Expression, _ element: ElementType) -> Expression {
    .unary(.abs, x)
  }

  public static func gradient(
    x: ValueID, y: ValueID, _ cotangent: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID? {
    try builder.multiply(cotangent, try builder.apply(Sign(), x))
  }
}
