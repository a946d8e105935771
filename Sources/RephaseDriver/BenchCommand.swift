import ArgumentParser
import Compiler
import Diagnostics
import Execution
import Foundation
import GraphIR
import Networks
import Schedules
import Tensors
import Training

enum BenchMode: String, ExpressibleByArgument, CaseIterable {
  case infer, train
}

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Time a model's native code in this process.",
    discussion:
      "Without --weights fresh ones are used: the time does not depend on them. With --layers each kernel is timed alone, in one interleaved run with the machine's measured FMA peak and copy rate, and set beside the longer of the two times that these allow (its roofline). Times on a GPU include copies to it and back; tools/gpu-check times runs without them. With --memory nothing is timed: it shows what lies where in the arena."
  )

  @OptionGroup var options: ModelOptions
  @OptionGroup var tuned: TunedSchedule

  @Option(help: "infer, or train: whole training steps.")
  var mode: BenchMode = .infer

  @Option(help: "The loss of --mode train (default: l2).")
  var loss: LossOption?

  @Option(
    help: "The optimizer of --mode train: rmsprop (the default), rmsprop-pytorch or adam.")
  var optimizer: OptimizerOption?

  @Flag(
    help:
      "With --mode train: compute activations again in the backward pass instead of keeping them."
  )
  var recompute = false

  @Option(name: .customLong("rounds"), help: "Timed repetitions (default: 20).")
  var givenRounds: Int?

  @Flag(help: "Time every kernel.")
  var layers = false

  @Flag(
    help:
      "Show the arena's map instead of timing: buffers, their places and the kernels that need them."
  )
  var memory = false

  @Option(
    help: ArgumentHelp(
      "With --layers or --memory: also write a page with a picture.", valueName: "file"))
  var html: String?

  @Flag(help: "As JSON lines.")
  var json = false

  func validate() throws {
    if memory && layers { throw ValidationError("--memory and --layers exclude each other") }
    try refuse(
      ["--loss": loss != nil, "--optimizer": optimizer != nil, "--recompute": recompute],
      without: "--mode train", mode == .train)
    try refuse(["--html": html != nil], without: "--layers or --memory", memory || layers)
    try Output.refuseStandard(html, of: "--html")
    try refuse(["--rounds": givenRounds != nil], without: "timing; --memory does none", !memory)
    guard (1...100_000).contains(rounds) else {
      throw ValidationError("--rounds must lie between 1 and 100000, not \(rounds)")
    }
  }

  private var rounds: Int { givenRounds ?? 20 }

  func run() throws {
    if mode == .train { return try train() }
    let model = try options.resolveForTiming()
    if memory { return try showMemory(of: model) }
    let target = try options.resolvedTarget(allowsGPU: !layers)
    if target.gpu != nil && !layers { return try runOnGPU(model, target) }
    let session = try model.locating {
      try ModelSession(
        model.staged, target: target, precision: options.precision, choices: tuned.choices(),
        weights: model.weights, timingCalls: layers)
    }
    let bench = Benchmark(
      session: session, target: target, threads: options.threads, rounds: rounds)
    if layers {
      try report(
        LayerReport(
          net: model.staged.name, threads: bench.threadCount, rows: try bench.layers()))
    } else {
      let times = try bench.whole()
      try report(
        Whole(
          net: model.staged.name, mode: "infer", batch: try bench.batch,
          threads: bench.threadCount, times_s: times))
    }
  }

  private func runOnGPU(_ model: ResolvedModel, _ target: Target) throws {
    let device = try model.locating {
      try DeviceModel(
        model.staged, target: target, precision: options.precision, choices: tuned.choices(),
        weights: model.weights)
    }
    try report(
      Whole(
        net: model.staged.name, mode: "infer", batch: device.batch, threads: 1,
        times_s: try device.times(rounds: rounds)))
  }

  private func train() throws {
    try tuned.refuseTraining()
    let (network, height, width) = try options.trainable()
    var training = TrainingOptions(
      loss: try loss?.loss ?? LossFunction(parsing: "l2"),
      optimizer: (optimizer ?? .standard).optimizer)
    training.recomputes = recompute
    if memory {
      let graph = try TrainingGraph.make(
        network, batch: options.batch ?? 1, height: height, width: width, options: training)
      return try showMemory(
        of: ResolvedModel(staged: .graph(graph.function), network: network, weights: [:]))
    }
    let bench = TrainingBench(
      network: network, batch: options.batch ?? 1, height: height, width: width, options: training,
      weights: try options.weightsOrFresh(network),
      target: try options.resolvedTarget(allowsGPU: !layers), precision: options.precision,
      threads: options.threads, rounds: rounds)
    if layers {
      let threads = Benchmark.threadCount(options.threads)
      return try report(
        LayerReport(net: network.functionName, threads: threads, rows: try bench.layers()))
    }
    try report(
      Whole(
        net: network.functionName, mode: "train", batch: bench.batch,
        threads: bench.target.gpu == nil ? Benchmark.threadCount(options.threads) : 1,
        times_s: try bench.times()))
  }

  private func report(_ result: Whole) throws {
    if json { return try Console.json(result) }
    let sorted = result.times_s.sorted()
    print(
      "\(result.net) batch \(result.batch), \(result.threads) threads: median "
        + Self.milliseconds(sorted[sorted.count / 2])
        + ", best " + Self.milliseconds(sorted[0]) + " over \(rounds) rounds")
  }

  private func showMemory(of model: ResolvedModel) throws {
    let pipeline = Pipeline(
      target: try options.resolvedTarget(), precision: options.precision,
      choices: try tuned.choices())
    let map = try model.locating { () throws(Diagnostic) in
      try MemoryMap(try pipeline.scheduled(model.staged))
    }
    let report = MemoryReport(map: map)
    if let html { try Output.write(report.html, to: html) }
    if json { try Console.json(map) } else { print(report.text) }
  }

  private struct Whole: Encodable {
    var net: String
    var mode: String
    var batch: Int
    var threads: Int
    var times_s: [Double]
    /// Of the whole process, the compiler included.
    var peak_bytes = PeakMemory.bytes
  }

  private func report(_ report: LayerReport) throws {
    if let html { try Output.write(report.html, to: html) }
    guard json else { return print(report.text) }
    for row in report.rows { try Console.json(row) }
  }

  static func milliseconds(_ seconds: Double) -> String {
    String(format: "%8.3f ms", seconds * 1000)
  }
}
