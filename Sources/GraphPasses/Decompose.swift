import Diagnostics
import GraphIR
import Operations

/// Writes operations that stand for several others out, so that each part can be fused with its neighbours.
///
/// ```
/// %y, %mean, %variance = batch_norm_training %x, %scale, %offset {epsilon = e}
/// ```
/// becomes the sums over each channel and the arithmetic on them.
public struct Decompose: GraphPass {
  public static let name = "decompose"
  public static let summary = "Writes operations that stand for several others out."

  public init() {}

  public func run(_ context: inout GraphPassContext) throws(Diagnostic) {
    if let function = try context.function.decomposed() { context.replace(with: function) }
  }
}
