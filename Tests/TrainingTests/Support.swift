import Diagnostics
import Networks
import Tensors
import TestSupport

@testable import Training

/// The smallest network with parameters.
struct Line: Network {
  let inputChannels = 1
  let layer = Conv2D(1, 1)
  func callAsFunction(_ x: Value) -> Value { layer(x) }
}

/// y = weight * x + bias by gradient descent with momentum, in plain Swift: an engine whose steps cost nothing.
final class LineEngine: TrainingEngine {
  var line: [Float] = [0, 0]
  var momentum: [Float] = [0, 0]
  /// The step, counted from 1, whose loss is not a number.
  var badStep: Int?
  private(set) var steps = 0
  private(set) var learningRates: [Float] = []
  private(set) var batches: [[Float]] = []

  func step(
    input: Tensor<Float>, target: Tensor<Float>, learningRate: Float
  ) throws(Diagnostic) -> Float {
    steps += 1
    learningRates.append(learningRate)
    batches.append(input.values)
    if steps == badStep { return .nan }
    var gradient: [Float] = [0, 0]
    for (x, y) in zip(input.values, target.values) {
      let error = line[0] * x + line[1] - y
      gradient[0] += 2 * error * x / Float(input.values.count)
      gradient[1] += 2 * error / Float(input.values.count)
    }
    let loss = Self.loss(line, input, target)
    for place in line.indices {
      momentum[place] = 0.5 * momentum[place] + gradient[place]
      line[place] -= learningRate * momentum[place]
    }
    return loss
  }

  func evaluate(input: Tensor<Float>, target: Tensor<Float>) throws(Diagnostic) -> Double {
    Double(Self.loss(line, input, target))
  }

  func weights() throws(Diagnostic) -> [String: Tensor<Float>] {
    ["line": try Tensor(try Shape([2]), line)]
  }

  func state() throws(Diagnostic) -> [String: Tensor<Float>] {
    ["line/momentum": try Tensor(try Shape([2]), momentum)]
  }

  func restore(
    weights: [String: Tensor<Float>], state: [String: Tensor<Float>]
  ) throws(Diagnostic) {
    line = weights["line"]?.values ?? [0, 0]
    momentum = state["line/momentum"]?.values ?? [0, 0]
  }

  private static func loss(
    _ line: [Float], _ input: Tensor<Float>, _ target: Tensor<Float>
  ) -> Float {
    let errors = zip(input.values, target.values).map { line[0] * $0 + line[1] - $1 }
    return errors.reduce(0) { $0 + $1 * $1 } / Float(errors.count)
  }
}

/// Pairs on the line y = 3 x - 1; the first value of each input tells its number.
struct LineData: TrainingData {
  let count: Int
  let shape: Shape
  let path = "line"
  let fingerprint = "line"

  init(count: Int) throws {
    self.count = count
    shape = try Shape([1, 1, 2])
  }

  func pair(_ number: Int) throws(Diagnostic) -> ImagePair {
    let input = [Float(number) / 8, 0.5]
    return ImagePair(input: input, target: input.map { 3 * $0 - 1 })
  }
}

/// Asks to stop after a step.
struct Stopping: TrainingObserver {
  var after = Int.max
  private final class Count {
    var steps = 0
    var epochs: [TrainingHistory.Epoch] = []
  }
  private let count = Count()

  init(after: Int = .max) { self.after = after }

  var epochs: [TrainingHistory.Epoch] { count.epochs }
  func stepped(_ state: TrainingState) { count.steps = state.step }
  func closedEpoch(_ epoch: TrainingHistory.Epoch, isBest: Bool) { count.epochs.append(epoch) }
  var stopReason: String? { count.steps >= after ? "the test" : nil }
}

/// A run of the line in a directory.
struct LineRun {
  let directory: String
  var engine = LineEngine()
  var observer = Stopping()
  var plan: TrainingPlan

  init(_ directory: String, steps: Int = 20) {
    self.directory = directory
    plan = TrainingPlan(
      steps: steps, order: SampleOrder(count: 7, batch: 3, seed: 5, shuffles: true),
      learningRate: 0.1, checkpointEvery: 4)
  }

  var output: RunOutput {
    get throws {
      RunOutput(
        try RunDirectory(directory), model: try NetworkModel(Line()), title: "line", keep: 3)
    }
  }

  /// Goes on from the last good checkpoint, or starts.
  @discardableResult
  func run(skipped: (Diagnostic) -> Void = { _ in }) throws -> TrainingState {
    let output = try output
    let fresh = TrainingState(
      step: 0, weights: try LineEngine().weights(), optimizer: [:], settings: ["loss": "l2"])
    let state = try output.store.latest(skipped: skipped) ?? fresh
    return try Trainer(
      engine, from: state, data: try LineData(count: 7), validation: try LineData(count: 5),
      plan: plan, output: output, observer: observer
    ).run()
  }
}
