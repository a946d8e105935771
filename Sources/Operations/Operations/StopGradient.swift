import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// The operand itself, through which no derivative passes.
public struct StopGradient: ElementwiseUnary {
  public static let mnemonic = "stop_gradient"
  public static let summary =
    "The operand itself; `differentiate` takes it for a constant: weights that are not trained."
  public var isExact: Bool { true }

  public init() {}

  public static func reference(_ x: Double) -> Double { x }
  public static func expression(_ x: Expression, _ element: ElementType) -> Expression { x }

  public static func gradient(
    x: ValueID, y: ValueID, _ cotangent: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID? { nil }
}
