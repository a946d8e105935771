import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// The sum of two tensors of one type: a + b.
public struct Add: ElementwiseBinary {
  public static let mnemonic = "add"
  public static let summary = "The sum of two tensors of one type: a + b."

  public init() {}

  public static func reference(_ a: Double, _ b: Double) -> Double { a + b }
  public static func expression(_ a: Expression, _ b: Expression) -> Expression { a + b }

  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    [call.cotangent, call.cotangent]
  }
}
