import LoopIR
import Tensors

/// The larger of two elements; NaN where either is NaN, and either of two zeros of unlike sign.
public struct Maximum: ElementwiseBinary {
  public static let mnemonic = "maximum"
  public static let summary =
    "The larger of two elements; NaN where either is NaN, and either of two zeros of unlike sign."

  public init() {}

  public static func reference(_ a: Double, _ b: Double) -> Double {
    a.isNaN || b.isNaN ? .nan : max(a, b)
  }
  public static func expression(_ a: Expression, _ b: Expression) -> Expression {
    .binary(.maximum, a, b)
  }
}
