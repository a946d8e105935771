import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// The rectified linear unit: 0 where x < 0, else x; so NaN stays NaN.
public struct ReLU: ElementwiseUnary {
  public static let mnemonic = "relu"
  public static let summary = "The rectified linear unit: 0 where x < 0, else x; so NaN stays NaN."
  public var isExact: Bool { true }

  public init() {}

  public static func reference(_ x: Double) -> Double { x < 0 ? 0 : x }
  public static func expression(_ x: Expression, _ element: ElementType) -> Expression {
    .select(.binary(.less, x, .real(0, element)), .real(0, element), x)
  }

  /// 0 where y is 0, which it is where x is not positive: so x need not be kept.
  public static func gradient(
    x: ValueID, y: ValueID, _ cotangent: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID? {
    let zero = try builder.constant(0, like: y)
    let mask = try builder.apply(Compare(.LE), y, zero)
    return try builder.apply(Select(), mask, zero, cotangent)
  }
}
