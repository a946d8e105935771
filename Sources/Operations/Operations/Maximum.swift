import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// The larger of two elements; NaN where either is NaN, and either of two zeros of unlike sign.
public struct Maximum: ElementwiseBinary {
  public static let mnemonic = "maximum"
  public static let summary =
    "The larger of two elements; NaN where either is NaN, and either of two zeros of unlike sign."
  public var isExact: Bool { true }

  public init() {}

  public static func reference(_ a: Double, _ b: Double) -> Double {
    a.isNaN || b.isNaN ? .nan : max(a, b)
  }
  public static func expression(_ a: Expression, _ b: Expression) -> Expression {
    .binary(.maximum, a, b)
  }

  /// All of it to the first operand where both are equal.
  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    let (a, b) = (call.operands[0], call.operands[1])
    return [
      call.wanted[0] ? try builder.masked(call.cotangent, where: a, .GE, b) : nil,
      call.wanted[1] ? try builder.masked(call.cotangent, where: a, .LT, b) : nil,
    ]
  }
}
