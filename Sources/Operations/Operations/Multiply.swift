import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// The element-by-element product of two tensors of one type: a b.
public struct Multiply: ElementwiseBinary {
  public static let mnemonic = "multiply"
  public static let summary = "The element-by-element product of two tensors of one type: a b."

  public init() {}

  public static func reference(_ a: Double, _ b: Double) -> Double { a * b }
  public static func expression(_ a: Expression, _ b: Expression) -> Expression { a * b }

  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    let (a, b) = (call.operands[0], call.operands[1])
    return [
      call.wanted[0] ? try builder.multiply(call.cotangent, b) : nil,
      call.wanted[1] ? try builder.multiply(call.cotangent, a) : nil,
    ]
  }
}
