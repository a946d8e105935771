import CodeGen
import Diagnostics
import GraphIR
import GraphPasses
import Networks
import Operations
import Tensors
import Testing

@testable import Training

/// Compiled training steps against the float64 reference of their graphs.
@Suite struct StepTests {
  /// A network, a loss and an optimizer.
  struct Case: Sendable, CustomTestStringConvertible {
    var network: String
    var settings: [String: String] = [:]
    var loss: String
    var optimizer: Optimizer = .rmsprop

    var testDescription: String { "\(network) \(loss) \(optimizer.rule.rawValue)" }

    static let all = [
      Case(network: "resnet1", loss: "l2"),
      Case(network: "resnet2", settings: ["filters": "12"], loss: "l1", optimizer: .adam),
      Case(network: "resnet1", settings: ["channels": "2"], loss: "perceptual+0.1*l1"),
      Case(network: "resnet1", loss: "dssim", optimizer: .rmspropPyTorch),
      Case(network: "unet", settings: ["filters": "8"], loss: "l2"),
      Case(network: "unet", settings: ["filters": "6"], loss: "dssim+0.5*l2", optimizer: .adam),
    ]
  }

  /// The step's results in float64, from the graph as it was made.
  private func reference(
    _ graph: TrainingGraph, _ setup: Setup, _ images: [Tensor<Float>], rate: Float
  ) throws -> [Tensor<Double>] {
    var inputs = images.map { $0.map(Double.init) }
    for name in graph.parameters {
      inputs.append(try #require(setup.weights[name]).map(Double.init))
    }
    for tensor in graph.state {
      inputs.append(Tensor(tensor.shape, repeating: Double(tensor.initial)))
    }
    inputs.append(Tensor(.scalar, repeating: Double(rate)))
    var vgg: [String: Tensor<Double>] = [:]
    for (name, tensor) in setup.vgg { vgg["vgg." + name] = tensor.map(Double.init) }
    return try Reference.evaluate(graph.function, inputs: inputs, parameters: vgg)
  }

  @Test(arguments: Case.all) func computesTheReference(_ item: Case) throws {
    let setup = try Setup(item.network, item.settings)
    let session = try setup.session(try options(item.loss, item.optimizer))
    let (input, target) = try setup.images(0)
    let expected = try reference(session.graph, setup, [input, target], rate: 1e-3)
    let loss = try session.step(input: input, target: target, learningRate: 1e-3)
    #expect(abs(Double(loss) - expected[0].values[0]) <= 1e-5 * expected[0].values[0])
    let weights = try session.weights()
    for (name, value) in zip(session.graph.parameters, expected[1...]) {
      let actual = try #require(weights[name])
      let start = try #require(setup.weights[name])
      let worst = zip(actual.values, value.values).map { abs(Double($0) - $1) }.max() ?? 0
      // Gradients that vanish in exact arithmetic are noise, and rules that divide by their size make steps of it.
      let isNoise = item.optimizer.rule != .rmsprop && name.hasSuffix(".bias")
      let tolerance = item.optimizer.rule == .rmsprop ? 1e-5 : 1e-4
      #expect(worst <= (isNoise ? 2e-2 : tolerance), "\(name)")
      if !isNoise { #expect(actual != start || worst == 0, "\(name) did not change") }
    }
  }

  /// Bit for bit the same for any number of threads, and after continuing from weights and state.
  @Test(arguments: [Optimizer.rmsprop, .adam]) func continuesBitIdentically(
    _ optimizer: Optimizer
  ) throws {
    let setup = try Setup("resnet1", ["filters": "8"])
    let one = try setup.session(try options("l2", optimizer), threads: 1)
    let two = try setup.session(try options("l2", optimizer), threads: 2)
    for number in 0..<3 {
      let (input, target) = try setup.images(UInt64(number))
      let loss = try one.step(input: input, target: target, learningRate: 1e-3)
      #expect(try two.step(input: input, target: target, learningRate: 1e-3) == loss)
    }
    #expect(try one.weights() == two.weights())
    let other = try setup.session(try options("l2", optimizer))
    try other.restore(weights: try one.weights(), state: try one.state())
    let (input, target) = try setup.images(9)
    let loss = try one.step(input: input, target: target, learningRate: 1e-3)
    #expect(try other.step(input: input, target: target, learningRate: 1e-3) == loss)
    #expect(try one.weights() == other.weights())
    #expect(try one.state() == other.state())
  }

  /// Another process with the same images; tells when exchanges begin and end.
  private final class Twin: Communicator {
    let rank = 0
    let count = 2
    private(set) var begun = 0
    /// How many had begun at each end.
    private(set) var ends: [Int] = []

    func average(_ values: UnsafeMutableBufferPointer<Float>) {}
    func broadcast(_ bytes: [UInt8]) -> [UInt8] { bytes }
    func start(_ values: UnsafeMutableBufferPointer<Float>) { begun += 1 }
    func progress() {}
    func finish() { ends.append(begun) }
  }

  /// Gradients travel while earlier layers' are computed, and all have come before the weights change.
  @Test func exchangesGradientsDuringTheBackwardPass() throws {
    let setup = try Setup("resnet1", ["filters": "8"])
    var options = try options("l2")
    options.synchronizesBatchNorm = false
    let (twin, target) = (Twin(), try Targets.resolve("native"))
    let together = try TrainingSession(
      setup.model, batch: setup.batch, height: setup.height, width: setup.width, options: options,
      weights: setup.weights, target: target, threads: 1, communicator: twin)
    let alone = try setup.session(options, threads: 1)
    let (input, wanted) = try setup.images(0)
    let loss = try together.step(input: input, target: wanted, learningRate: 1e-3)
    #expect(try alone.step(input: input, target: wanted, learningRate: 1e-3) == loss)
    #expect(try together.weights() == alone.weights())
    let names = try #require(together.compiled).session.callNames
    let exchanges = names.indices.filter { names[$0].hasPrefix(AllReduce.mnemonic) }
    let gradients = names.indices.filter { names[$0].hasPrefix("convolution") }
    #expect(twin.begun == exchanges.count && twin.ends.last == twin.begun)
    #expect(twin.ends.count < twin.begun / 2)
    #expect(try #require(gradients.last) > exchanges[exchanges.count / 2])
  }

  /// With and without recomputation: equal bits from less memory.
  @Test(arguments: Case.all) func recomputesTheSameBits(_ item: Case) throws {
    let setup = try Setup(item.network, item.settings)
    let plain = try options(item.loss, item.optimizer)
    var saving = plain
    saving.recomputes = true
    let (one, two) = (try setup.session(plain), try setup.session(saving))
    for number in 0..<2 {
      let (input, target) = try setup.images(UInt64(number))
      let loss = try one.step(input: input, target: target, learningRate: 1e-3)
      #expect(try two.step(input: input, target: target, learningRate: 1e-3) == loss)
    }
    #expect(try one.weights() == two.weights())
    #expect(try one.state() == two.state())
    // One block is the last one: nothing lies between it and the backward pass.
    let repeats = item.network != "resnet1" || item.loss.contains("perceptual")
    let counts = try [plain, saving].map { try setup.graph($0).function.nodes.count }
    #expect((counts[0] < counts[1]) == repeats)
  }

  @Test func makesTheLossSmall() throws {
    let setup = try Setup("resnet1", ["filters": "8", "residual": "true"])
    let session = try setup.session(try options("l2", .adam))
    let (input, target) = try setup.images(0)
    let first = try session.step(input: input, target: target, learningRate: 1e-2)
    var last = first
    for _ in 0..<60 {
      last = try session.step(input: input, target: target, learningRate: 1e-2)
    }
    #expect(last < 0.5 * first)
  }

  @Test func evaluatesWithRunningStatistics() throws {
    let setup = try Setup("resnet1", ["filters": "8"])
    let session = try setup.session(try options("l1"))
    var (input, target) = try setup.images(0)
    _ = try session.step(input: input, target: target, learningRate: 1e-3)
    // Five images: a whole batch and a part of one.
    var wide = setup
    wide.batch = 5
    (input, target) = try wide.images(1)
    let function = try setup.model.graph(batch: 5, height: setup.height, width: setup.width)
    let weights = try session.weights().mapValues { $0.map(Double.init) }
    let output = try Reference.evaluate(
      function, inputs: [input.map(Double.init)], parameters: weights)[0]
    let errors = zip(output.values, target.values).map { abs($0 - Double($1)) }
    let expected = errors.reduce(0, +) / Double(errors.count)
    let actual = try session.evaluate(input: input, target: target)
    #expect(abs(actual - expected) <= 1e-5 * expected)
  }

  @Test(arguments: ["l2", "l1", "dssim"]) func evaluatesAsItsGraphSays(_ loss: String) throws {
    var setup = try Setup("resnet1", ["filters": "8", "residual": "true"])
    setup.batch = 2
    let session = try setup.session(try options(loss))
    let (input, target) = try setup.images(0)
    let function = try TrainingGraph.evaluation(
      setup.model, batch: 2, height: setup.height, width: setup.width,
      loss: try LossFunction(parsing: loss))
    let weights = try session.weights()
    let parameters = try setup.model.parameters.map { try #require(weights[$0.name]) }
    let inputs = ([input, target] + parameters).map { $0.map(Double.init) }
    let expected = try Reference.evaluate(function, inputs: inputs, parameters: [:])[0].values[0]
    let actual = try session.evaluate(input: input, target: target)
    #expect(abs(actual - expected) <= 1e-5 * expected)
  }

  @Test func refusesWhatItCannotTake() throws {
    let setup = try Setup("resnet1", ["filters": "8"])
    let session = try setup.session(try options("l2"))
    let (input, target) = try setup.images(0)
    let other = Tensor<Float>(try Shape([1, 1, 12, 8]), repeating: 0)
    #expect(throws: Diagnostic.self) {
      try session.step(input: other, target: target, learningRate: 1)
    }
    #expect(throws: Diagnostic.self) { try session.restore(weights: [:], state: [:]) }
    var state = try session.state()
    state["stranger"] = input
    #expect(throws: Diagnostic.self) {
      try session.restore(weights: setup.weights, state: state)
    }
    state = ["head.weight/ms": input]
    #expect(throws: Diagnostic.self) {
      try session.restore(weights: setup.weights, state: state)
    }
    for text in ["", "l3", "2*", "l1+", "-1*l1", "0*l2", "nan*l2", "1*2*l1"] {
      #expect(throws: Diagnostic.self, "\(text)") { try LossFunction(parsing: text) }
    }
    #expect(throws: Diagnostic.self) { try Optimizer(parsing: "sgdd") }
  }
}
