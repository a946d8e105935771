import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// The greatest integer that is not greater than each element.
public struct Floor: ElementwiseUnary {
  public static let mnemonic = "floor"
  public static let summary = "The greatest integer that is not greater than each element."
  public var isExact: Bool { true }

  public init() {}

  public static func reference(_ x: Double) -> Double { x.rounded(.down) }
  public static func expression(_ x: Expression, _ element: ElementType) -> Expression {
    .unary(.floor, x)
  }

  /// Constant wherever it has a derivative.
  public static func gradient(
    x: ValueID, y: ValueID, _ cotangent: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID? { nil }
}
