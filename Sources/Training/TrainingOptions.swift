import Diagnostics

/// What a training step does besides the network.
public struct TrainingOptions: Hashable, Sendable {
  public var loss: LossFunction
  public var optimizer: Optimizer
  /// Adds `weightDecay` times each weight to its gradient (L2 regularization).
  public var weightDecay = 0.0
  /// The largest norm of all gradients together; larger ones are scaled down to it.
  public var clip: Double?
  /// Running statistics become momentum times themselves plus (1 - momentum) times the batch's (TensorFlow's sense;
  /// PyTorch calls 1 - momentum so).
  public var batchNormMomentum = 0.99
  /// Processes that compute a step together, each on a batch of its own; gradients are means over all.
  public var processes = 1
  /// Batch norm takes its statistics over the batches of all processes.
  public var synchronizesBatchNorm = true

  /// Computes activations again in the backward pass instead of keeping them: less memory, more time, the same bits.
  public var recomputes = false

  public init(loss: LossFunction, optimizer: Optimizer = .rmsprop) {
    self.loss = loss
    self.optimizer = optimizer
  }

  /// Throws where a number is out of its range.
  func check() throws(Diagnostic) {
    guard weightDecay >= 0, weightDecay.isFinite else {
      throw Diagnostic("the weight decay must be a finite number >= 0, not \(weightDecay)")
    }
    if let clip, !(clip > 0 && clip.isFinite) {
      throw Diagnostic("gradients can only be clipped to a positive norm, not \(clip)")
    }
    guard (0...1).contains(batchNormMomentum) else {
      throw Diagnostic(
        "the momentum of batch norm must lie between 0 and 1, not \(batchNormMomentum)")
    }
  }
}
