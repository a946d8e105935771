import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// The mean over the processes that train together.
///
/// Its kernel copies the operand; whoever runs the program exchanges the result between processes before the next
/// kernel starts (`Runner.runOnce(exchanging:)`). It is never fused: the exchange needs the whole result in memory.
public struct AllReduce: TensorOperation {
  public static let mnemonic = "all_reduce"
  public static let summary =
    "The mean of the operand over all processes that run the same step; for one process alone, the operand itself."

  public init() {}
  public init(_ reader: inout AttributeReader) throws(Diagnostic) {}
  public var attributes: [Attribute] { [] }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 1...1, mnemonic)
    try Require.float(operands, mnemonic)
    return operands
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    operands
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    .pointwise { index, operand in operand(0, index) }
  }

  /// Every process's operand takes part in every process's result with the same share: the mean of the cotangents.
  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] { [try builder.apply(self, call.cotangent)] }

  public static var samples: [OperationSample] {
    [
      OperationSample(
        AllReduce(), [.sample([2, 3])], refused: [[], [.sample([2], .i32)]]),
      OperationSample(AllReduce(), [.sample([], .f64)]),
    ]
  }
}
