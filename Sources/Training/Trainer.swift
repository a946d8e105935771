import Diagnostics
import Tensors

/// What a run does besides computing steps.
public struct TrainingPlan: Sendable {
  /// Steps at which the run is complete.
  public var steps: Int
  public var order: SampleOrder
  public var augmentation = Augmentation()
  public var learningRate: Float
  public var schedule = LearningRateSchedule.constant
  /// Steps from one checkpoint to the next; one comes at the end in any case.
  public var checkpointEvery: Int
  /// Validation pairs looked at in each epoch, chosen anew each time.
  public var validationCount = 500
  /// Where the loss of each step goes.
  public var log: String?

  public init(steps: Int, order: SampleOrder, learningRate: Float, checkpointEvery: Int) {
    self.steps = steps
    self.order = order
    self.learningRate = learningRate
    self.checkpointEvery = checkpointEvery
  }

  /// The learning rate of the step after `done` steps.
  func learningRate(after done: Int) -> Float {
    let factor = schedule.factor(done: done, total: steps, epoch: order.epochs(steps: done))
    return Float(Double(learningRate) * factor)
  }
}

/// What a run tells while it goes on.
public protocol TrainingObserver {
  func stepped(_ state: TrainingState)
  func closedEpoch(_ epoch: TrainingHistory.Epoch, isBest: Bool)
  /// Asked after each step: the reason to save and leave now, if there is one.
  var stopReason: String? { get }
}

/// Runs steps until a plan is complete, and keeps on disk what is needed to go on after any interruption.
///
/// Results are a function of data, plan and first state: not of interruptions, threads or time.
public final class Trainer {
  private let engine: any TrainingEngine
  private let data: any TrainingData
  private let validation: (any TrainingData)?
  private let plan: TrainingPlan
  /// Nil in processes that leave writing to another.
  private let output: RunOutput?
  private let communicator: (any Communicator)?
  private let observer: any TrainingObserver
  /// Drawing takes as long as a small step.
  private static let plotInterval = Duration.seconds(10)
  /// All but weights and optimizer are current.
  private var state: TrainingState
  private var plotted = ContinuousClock.now

  /// `state` is a fresh one or that of a checkpoint; the same in all processes of `communicator`, whose number divides
  /// the batch.
  public init(
    _ engine: any TrainingEngine, from state: TrainingState, data: any TrainingData,
    validation: (any TrainingData)?, plan: TrainingPlan, output: RunOutput?,
    observer: any TrainingObserver, communicator: (any Communicator)? = nil
  ) {
    self.engine = engine
    self.state = state
    self.data = data
    self.validation = validation
    self.plan = plan
    self.output = output
    self.observer = observer
    self.communicator = communicator
  }

  /// Trains up to the plan's last step; the state then.
  ///
  /// Throws where a loss is not finite, with the last good checkpoint's weights in last.safetensors; where the
  /// observer gave a reason to stop, after saving; and where something cannot be read or written.
  public func run() throws(Diagnostic) -> TrainingState {
    try engine.restore(weights: state.weights, state: state.optimizer)
    if state.step == 0 { try output?.save(state) }
    let log = try openLog()
    let loader = BatchLoader(
      BatchSource(data: data, order: plan.order, augmentation: plan.augmentation, share: share),
      from: state.step)
    while state.step < plan.steps {
      let learningRate = plan.learningRate(after: state.step)
      try step(try loader.take(), learningRate)
      let isComplete = state.step == plan.steps
      let closesEpoch = isComplete || plan.order.closesEpoch(step: state.step)
      if closesEpoch { try closeEpoch() }
      try log?.append(state, learningRate: learningRate, closesEpoch: closesEpoch)
      let reason = try stopReason()
      if isComplete || reason != nil || state.step % plan.checkpointEvery == 0 { try save() }
      if isComplete || reason != nil || plotted.duration(to: .now) > Self.plotInterval {
        try plot()
      }
      if let reason, !isComplete { throw stopped(reason) }
    }
    return state
  }

  private func openLog() throws(Diagnostic) -> StepLog? {
    guard let path = plan.log, output != nil else { return nil }
    return try StepLog(path, keepingUpTo: state.step)
  }

  /// The part of each batch that this process computes.
  private var share: Range<Int> {
    guard let communicator else { return 0..<plan.order.batch }
    let size = plan.order.batch / communicator.count
    return communicator.rank * size..<(communicator.rank + 1) * size
  }

  /// All processes stop after the same step.
  private func stopReason() throws(Diagnostic) -> String? {
    guard let communicator else { return observer.stopReason }
    return try communicator.first(observer.stopReason)
  }

  private func step(_ batch: Batch, _ learningRate: Float) throws(Diagnostic) {
    let loss = try engine.step(
      input: batch.input, target: batch.target, learningRate: learningRate)
    guard loss.isFinite else { throw diverged("the loss of step \(state.step + 1) is \(loss)") }
    state.step += 1
    state.history.losses.append(loss)
    observer.stepped(state)
  }

  private func closeEpoch() throws(Diagnostic) {
    let first = state.history.epochs.last?.step ?? 0
    let losses = state.history.losses[first...]
    let mean = losses.reduce(0.0) { $0 + Double($1) } / Double(losses.count)
    let epoch = TrainingHistory.Epoch(
      step: state.step, training: Float(mean), validation: try validationLoss())
    state.history.epochs.append(epoch)
    let isBest = state.history.best?.step == state.step
    if isBest { try output?.saveBest(try current()) }
    observer.closedEpoch(epoch, isBest: isBest)
  }

  /// The mean loss over pairs chosen for this epoch; not a number without validation data.
  private func validationLoss() throws(Diagnostic) -> Float {
    guard let validation else { return .nan }
    let epoch = state.history.epochs.count
    var stream = SplitMix64(seed: plan.order.seed, .validationChoice, epoch)
    let chosen = stream.permutation(validation.count).prefix(plan.validationCount).sorted()
    var sum = 0.0
    for start in stride(from: 0, to: chosen.count, by: plan.order.batch) {
      var pairs: [ImagePair] = []
      for number in chosen[start..<min(start + plan.order.batch, chosen.count)] {
        pairs.append(try validation.pair(number))
      }
      let batch = try Batch(pairs, of: validation.shape, validation.targetShape)
      sum += try engine.evaluate(input: batch.input, target: batch.target) * Double(pairs.count)
    }
    guard sum.isFinite else { throw diverged("the validation loss is \(sum)") }
    return Float(sum / Double(chosen.count))
  }

  private func current() throws(Diagnostic) -> TrainingState {
    state.weights = try engine.weights()
    state.optimizer = try engine.state()
    if let name = state.damagedTensor {
      throw diverged("'\(name)' is not finite after step \(state.step)")
    }
    return state
  }

  private func save() throws(Diagnostic) { try output?.save(try current()) }

  private func plot() throws(Diagnostic) {
    try output?.plot(state.history)
    plotted = .now
  }

  private func stopped(_ reason: String) -> Diagnostic {
    Diagnostic(
      "stopped by \(reason) after step \(state.step) of \(plan.steps); the state is saved",
      at: output.map { SourceLocation(file: $0.directory.path) }, help: "go on with --resume")
  }

  private func diverged(_ what: String) -> Diagnostic {
    Diagnostic(
      "training stopped: \(what)", at: output.map { SourceLocation(file: $0.directory.path) },
      help: "lower --lr, or bound gradients with --clip",
      notes: ["last.safetensors holds the weights of the last good checkpoint"])
  }
}
