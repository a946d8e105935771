import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// The negative of each element: -x.
public struct Negate: ElementwiseUnary {
  public static let mnemonic = "negate"
  public static let summary = "The negative of each element: -x."
  public var isExact: Bool { true }

  public init() {}

  public static func reference(_ x: Double) -> Double { -x }
  public static func expression(_ x: Expression, _ element: ElementType) -> Expression {
    .unary(.negate, x)
  }

  public static func gradient(
    x: ValueID, y: ValueID, _ cotangent: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID? {
    try builder.apply(Negate(), cotangent)
  }
}
