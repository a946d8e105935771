import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// The element-by-element quotient of two tensors of one type: a / b.
public struct Divide: ElementwiseBinary {
  public static let mnemonic = "divide"
  public static let summary = "The element-by-element quotient of two tensors of one type: a / b."
  public static let domain = 0.5...2.0

  public init() {}

  public static func reference(_ a: Double, _ b: Double) -> Double { a / b }
  public static func expression(_ a: Expression, _ b: Expression) -> Expression {
    .binary(.divide, a, b)
  }

  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    let quotient = try builder.divide(call.cotangent, call.operands[1])
    guard call.wanted[1] else { return [quotient, nil] }
    let product = try builder.multiply(quotient, call.results[0])
    return [quotient, try builder.apply(Negate(), product)]
  }
}
