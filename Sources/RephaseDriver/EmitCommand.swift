import ArgumentParser
import Compiler
import Diagnostics
import Training

struct EmitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "emit", abstract: "Write a model at a named stage of its path to machine code.")

  @OptionGroup var options: ModelOptions
  @OptionGroup var tuned: TunedSchedule

  @Option(help: "graph, optimized, loops, scheduled, llvm, asm or ptx.")
  var stage: Stage = .graph

  @Option(
    help:
      "Write a whole training step with this loss: l2, l1, dssim, perceptual, or a sum such as 'perceptual+0.1*l1'."
  )
  var train: LossOption?

  @Option(
    help:
      "With --train: the optimizer, rmsprop (TensorFlow 1's, the default), rmsprop-pytorch or adam."
  )
  var optimizer: OptimizerOption?

  @Flag(
    help: "With --train: compute activations again in the backward pass instead of keeping them.")
  var recompute = false

  @Option(name: .shortAndLong, help: "The file to write; - is standard output.")
  var output = "-"

  func validate() throws {
    try refuse(
      ["--optimizer": optimizer != nil, "--recompute": recompute], without: "--train", train != nil)
    try refuse(
      ["--schedule": tuned.schedule != nil], without: "--stage scheduled, or a later one",
      train != nil || ![.graph, .optimized, .loops].contains(stage))
  }

  func run() throws {
    let model = try train.map(trainingStep) ?? options.resolve(needsWeights: false)
    let writer = StageWriter(
      target: try options.resolvedTarget(), precision: options.precision,
      choices: try tuned.choices())
    let text = try model.locating { try writer.text(of: model.staged, at: stage) }
    try Output.write(text, to: output)
  }

  private func trainingStep(_ loss: LossOption) throws -> ResolvedModel {
    try tuned.refuseTraining()
    let (network, height, width) = try options.trainable()
    var training = TrainingOptions(
      loss: loss.loss, optimizer: (optimizer ?? .standard).optimizer)
    training.recomputes = recompute
    let graph = try TrainingGraph.make(
      network, batch: options.batch ?? 1, height: height, width: width, options: training)
    return ResolvedModel(staged: .graph(graph.function), network: network, weights: [:])
  }
}
