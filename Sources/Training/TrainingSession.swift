import Compiler
import Diagnostics
import Execution
import GraphIR
import LoopIR
import Networks
import Operations
import Schedules
import Tensors

/// A compiled training step with the weights and the optimizer's state that it changes.
///
/// Equal weights, state and batches give equal results bit for bit, for any number of threads.
public final class TrainingSession: TrainingEngine {
  public let graph: TrainingGraph
  /// The compiled step; nil on a GPU.
  public let compiled: ModelSession?
  private let model: NetworkModel
  private let batch: Int
  private let height: Int
  private let width: Int
  private let options: TrainingOptions
  private let vgg: [String: Tensor<Float>]
  private let target: Schedules.Target
  private let precision: Precision
  private let threads: Int
  private let runner: any StepRunner
  /// Nil for a process alone.
  private let shared: (runner: Runner, communicator: any Communicator)?
  /// Compiled evaluations by their number of images.
  private var evaluations: [Int: any StepRunner] = [:]
  /// Those that have the parameters as they are now.
  private var currentEvaluations: Set<Int> = []

  /// Compiles the step for batches [batch, C, height, width].
  ///
  /// - Parameters:
  ///   - weights: the model's parameters, running statistics too.
  ///   - vgg: VGG-16's weights with torchvision's names (`features.0.weight`), where the loss needs them.
  ///   - threads: 0 means all cores.
  ///   - timingCalls: makes each kernel runnable alone.
  ///   - communicator: the processes that compute a step together, each on `batch` images of its own.
  ///
  /// Throws where a weight is missing, the model cannot be trained, or this machine cannot run the target's code.
  public init(
    _ model: NetworkModel, batch: Int, height: Int, width: Int, options: TrainingOptions,
    weights: [String: Tensor<Float>], vgg: [String: Tensor<Float>] = [:],
    target: Schedules.Target, precision: Precision = .standard, threads: Int = 0,
    timingCalls: Bool = false,
    communicator: (any Communicator)? = nil
  ) throws(Diagnostic) {
    var options = options
    options.processes = communicator?.count ?? 1
    self.model = model
    self.batch = batch
    self.height = height
    self.width = width
    self.options = options
    self.target = target
    self.precision = precision
    self.threads = threads
    self.vgg = Dictionary(
      uniqueKeysWithValues: vgg.map { (PerceptualLoss.prefix + $0.key, $0.value) })
    graph = try TrainingGraph.make(
      model, batch: batch, height: height, width: width, options: options)
    let step = StagedModel.graph(graph.function)
    if target.gpu == nil {
      let compiled = try ModelSession(
        step, target: target, precision: precision, weights: self.vgg,
        timingCalls: timingCalls || communicator != nil)
      let runner = compiled.session.makeRunner(threads: threads)
      shared = communicator.map { (runner, $0) }
      (self.compiled, self.runner) = (compiled, runner)
    } else {
      guard communicator == nil else { throw Self.needsCPU }
      (compiled, shared) = (nil, nil)
      runner = try DeviceModel(
        step, target: target, precision: precision, weights: self.vgg
      ).makeRunner()
    }
    try restore(weights: weights, state: [:])
  }

  /// Places of arguments and results: `x`, `target`, parameters, state, learning rate; loss, parameters, state.
  private var firstParameter: Int { 2 }
  private var firstState: Int { firstParameter + graph.parameters.count }
  private var learningRate: Int { firstState + graph.state.count }

  /// What is said where processes would have to exchange what is on GPUs.
  public static let needsCPU = Diagnostic(
    "several processes cannot train together on GPUs",
    help: "leave 'mpirun' away, or give --target native")

  /// All arguments as the next step takes them.
  public func inputs() throws(Diagnostic) -> [Tensor<Float>] {
    var inputs: [Tensor<Float>] = []
    for place in 0...learningRate { inputs.append(try runner.input(place)) }
    return inputs
  }

  /// One step on a batch; returns the loss before the update.
  ///
  /// Throws where the images are not [batch, C, height, width].
  public func step(
    input: Tensor<Float>, target: Tensor<Float>, learningRate rate: Float
  ) throws(Diagnostic) -> Float {
    currentEvaluations = []
    try runner.setInput(0, input)
    try runner.setInput(1, target)
    try runner.setInput(learningRate, Tensor(.scalar, repeating: rate))
    if let shared {
      try shared.runner.runOnce(exchanging: AllReduce.mnemonic, with: shared.communicator)
    } else {
      try runner.runOnce()
    }
    try runner.carry(firstParameter - 1..<learningRate - 1, toInput: firstParameter)
    return try runner.result(0).values[0]
  }

  /// The mean loss over any number of images, with the stored statistics of batch norm.
  public func evaluate(
    input: Tensor<Float>, target: Tensor<Float>
  ) throws(Diagnostic) -> Double {
    let count = input.shape.rank == 4 ? input.shape[0] : 0
    guard count > 0, target.shape.rank == 4, target.shape[0] == count else {
      throw Diagnostic(
        "inputs \(input.shape) and targets \(target.shape) are not the same number of images")
    }
    var sum = 0.0
    for first in stride(from: 0, to: count, by: batch) {
      let images = min(batch, count - first)
      let loss = try loss(
        try input.images(first, images), try target.images(first, images), images)
      sum += Double(loss) * Double(images)
    }
    return sum / Double(count)
  }

  private func loss(
    _ input: Tensor<Float>, _ target: Tensor<Float>, _ images: Int
  ) throws(Diagnostic) -> Float {
    let runner = try evaluation(images)
    try runner.setInput(0, input)
    try runner.setInput(1, target)
    if !currentEvaluations.contains(images) {
      for place in firstParameter..<firstState {
        try runner.setInput(place, try self.runner.input(place))
      }
      currentEvaluations.insert(images)
    }
    try runner.runOnce()
    return try runner.result(0).values[0]
  }

  private func evaluation(_ images: Int) throws(Diagnostic) -> any StepRunner {
    if let known = evaluations[images] { return known }
    let function = try TrainingGraph.evaluation(
      model, batch: images, height: height, width: width, loss: options.loss)
    let runner: any StepRunner =
      target.gpu == nil
      ? try ModelSession(.graph(function), target: target, precision: precision, weights: vgg)
        .session.makeRunner(threads: threads)
      : try DeviceModel(.graph(function), target: target, precision: precision, weights: vgg)
        .makeRunner()
    evaluations[images] = runner
    return runner
  }

  /// All parameters of the model, running statistics too, as a weight file holds them.
  public func weights() throws(Diagnostic) -> [String: Tensor<Float>] {
    var weights: [String: Tensor<Float>] = [:]
    for (offset, name) in graph.parameters.enumerated() {
      weights[name] = try runner.input(firstParameter + offset)
    }
    return weights
  }

  /// The optimizer's state; with `weights`, all that the next step depends on.
  public func state() throws(Diagnostic) -> [String: Tensor<Float>] {
    var state: [String: Tensor<Float>] = [:]
    for (offset, tensor) in graph.state.enumerated() {
      state[tensor.name] = try runner.input(firstState + offset)
    }
    return state
  }

  /// Continues from weights and state of `weights()` and `state()`; an empty state is a fresh one.
  ///
  /// Throws where a tensor is missing or has another shape, or the state has others.
  public func restore(
    weights: [String: Tensor<Float>], state: [String: Tensor<Float>]
  ) throws(Diagnostic) {
    currentEvaluations = []
    for (offset, name) in graph.parameters.enumerated() {
      guard let tensor = weights[name] else {
        throw Diagnostic(
          "the weights have no '\(name)'", help: "give the weights of this network and settings")
      }
      try runner.setInput(firstParameter + offset, tensor)
    }
    let known = Set(graph.state.map(\.name))
    if let stranger = state.keys.sorted().first(where: { !known.contains($0) }) {
      throw Diagnostic(
        "the optimizer's state has '\(stranger)', which \(options.optimizer.rule.rawValue) does not keep",
        help: "continue with the optimizer that training began with")
    }
    for (offset, tensor) in graph.state.enumerated() {
      let fresh = Tensor(tensor.shape, repeating: tensor.initial)
      guard let value = state.isEmpty ? fresh : state[tensor.name] else {
        throw Diagnostic(
          "the optimizer's state has no '\(tensor.name)'",
          help: "continue with the optimizer that training began with")
      }
      try runner.setInput(firstState + offset, value)
    }
  }
}

extension Tensor {
  /// `count` images from number `first` on, of a tensor [N, C, H, W].
  public func images(_ first: Int, _ count: Int) throws(Diagnostic) -> Tensor {
    let size = shape.elementCount / shape[0]
    return try Tensor(
      try Shape([count] + shape.extents.dropFirst()),
      Array(values[first * size..<(first + count) * size]))
  }
}
