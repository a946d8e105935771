import Diagnostics
import Tensors

/// All that a run needs to go on as if it had never stopped: what a checkpoint holds.
///
/// The random state is the seed, one of the settings, and the data's position is the step: see `SampleOrder`.
public struct TrainingState: Sendable, Equatable {
  /// Steps done.
  public var step: Int
  /// Trainable parameters and running statistics, named as in weight files.
  public var weights: [String: Tensor<Float>]
  /// The optimizer's own tensors.
  public var optimizer: [String: Tensor<Float>]
  /// What determines the results; a run goes on with equal settings only.
  public var settings: [String: String]
  public var history = TrainingHistory()

  public init(
    step: Int, weights: [String: Tensor<Float>], optimizer: [String: Tensor<Float>],
    settings: [String: String]
  ) {
    self.step = step
    self.weights = weights
    self.optimizer = optimizer
    self.settings = settings
  }

  /// The first tensor that holds a value that is not finite.
  var damagedTensor: String? {
    (weights.sorted { $0.key < $1.key } + optimizer.sorted { $0.key < $1.key })
      .first { $0.value.values.contains { !$0.isFinite } }?.key
  }
}

/// How the loss went.
public struct TrainingHistory: Sendable, Equatable {
  /// The loss that an epoch closed with.
  public struct Epoch: Sendable, Equatable {
    public var step: Int
    /// Mean over the epoch's batches.
    public var training: Float
    /// Mean over the validation pairs of the epoch; not a number where there are none.
    public var validation: Float

    /// What decides which weights are best.
    var judged: Float { validation.isNaN ? training : validation }

    public static func == (a: Epoch, b: Epoch) -> Bool {
      a.step == b.step && a.training.bitPattern == b.training.bitPattern
        && a.validation.bitPattern == b.validation.bitPattern
    }
  }

  /// The loss of each step's batch, before its update.
  public var losses: [Float] = []
  public var epochs: [Epoch] = []

  public init() {}

  /// The epoch whose weights are in best.safetensors: the first of the lowest loss.
  public var best: Epoch? { epochs.min { $0.judged < $1.judged } }
}
