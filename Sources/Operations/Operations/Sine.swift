import Diagnostics
import Glibc
import GraphIR
import LoopIR
import Tensors

/// The sine of each element, in radians.
public struct Sine: ElementwiseUnary {
  public static let mnemonic = "sine"
  public static let summary = "The sine of each element, in radians."

  /// What is left of large arguments would need more bits than there are.
  public static let takesDouble = false
  public static let domain = -8.0...8.0

  public init() {}

  public static func reference(_ x: Double) -> Double { sin(x) }
  public static func expression(_ x: Expression, _ element: ElementType) -> Expression {
    .unary(.sin, x)
  }

  /// dy cos(x)
  public static func gradient(
    x: ValueID, y: ValueID, _ cotangent: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID? {
    try builder.multiply(cotangent, try builder.apply(Cosine(), x))
  }
}
