import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// The integer nearest to each element, of two the even one.
public struct RoundNearestEven: ElementwiseUnary {
  public static let mnemonic = "round_nearest_even"
  public static let summary = "The integer nearest to each element, of two the even one."
  public var isExact: Bool { true }

  public init() {}

  public static func reference(_ x: Double) -> Double { x.rounded(.toNearestOrEven) }
  public static func expression(_ x: Expression, _ element: ElementType) -> Expression {
    .unary(.round, x)
  }

  /// Constant wherever it has a derivative.
  public static func gradient(
    x: ValueID, y: ValueID, _ cotangent: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID? { nil }
}
