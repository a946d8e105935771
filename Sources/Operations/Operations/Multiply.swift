import LoopIR
import Tensors

/// The element-by-element product of two tensors of one type: a b.
public struct Multiply: ElementwiseBinary {
  public static let mnemonic = "multiply"
  public static let summary = "The element-by-element product of two tensors of one type: a b."

  public init() {}

  public static func reference(_ a: Double, _ b: Double) -> Double { a * b }
  public static func expression(_ a: Expression, _ b: Expression) -> Expression { a * b }
}
