import Diagnostics
import Tensors

/// What computes the steps of a run.
public protocol TrainingEngine: AnyObject {
  /// One update on a batch [batch, channels, rows, columns]; the loss before the update.
  func step(
    input: Tensor<Float>, target: Tensor<Float>, learningRate: Float
  ) throws(Diagnostic) -> Float
  /// The mean loss of any number of pairs, with running statistics.
  func evaluate(input: Tensor<Float>, target: Tensor<Float>) throws(Diagnostic) -> Double
  /// All parameters, running statistics too, named as in weight files.
  func weights() throws(Diagnostic) -> [String: Tensor<Float>]
  /// The optimizer's tensors.
  func state() throws(Diagnostic) -> [String: Tensor<Float>]
  /// Goes on from weights and state as the two above gave them; an empty state is that of a fresh optimizer.
  func restore(
    weights: [String: Tensor<Float>], state: [String: Tensor<Float>]
  ) throws(Diagnostic)
}
