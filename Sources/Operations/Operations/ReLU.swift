import LoopIR
import Tensors

/// The rectified linear unit: 0 where x < 0, else x; so NaN stays NaN.
public struct ReLU: ElementwiseUnary {
  public static let mnemonic = "relu"
  public static let summary = "The rectified linear unit: 0 where x < 0, else x; so NaN stays NaN."

  public init() {}

  public static func reference(_ x: Double) -> Double { x < 0 ? 0 : x }
  public static func expression(_ x: Expression, _ element: ElementType) -> Expression {
    .select(.binary(.less, x, .real(0, element)), .real(0, element), x)
  }
}
