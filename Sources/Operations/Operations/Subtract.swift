import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// The difference of two tensors of one type: a - b.
public struct Subtract: ElementwiseBinary {
  public static let mnemonic = "subtract"
  public static let summary = "The difference of two tensors of one type: a - b."

  public init() {}

  public static func reference(_ a: Double, _ b: Double) -> Double { a - b }
  public static func expression(_ a: Expression, _ b: Expression) -> Expression { a - b }

  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    [call.cotangent, call.wanted[1] ? try builder.apply(Negate(), call.cotangent) : nil]
  }
}
