import ArgumentParser
import Diagnostics
import Foundation
import Networks
import Tensors
import Training

struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Train a network's weights on pairs of images.",
    discussion:
      "RUN/last.safetensors and RUN/best.safetensors are the weights; RUN/checkpoints is what --resume goes on from, bit for bit, after any interruption. Ctrl-C and SIGTERM save and leave. 'mpirun -n N rephase train ...' (Open MPI) computes each batch in N processes together."
  )

  @OptionGroup var model: TrainModelOptions
  var options: ModelOptions { model.common }

  @Option(
    help:
      "A prepared set, or an .npz file with 'input' and 'target', float32 [N, C, H, W]; may be repeated, for pairs of all."
  )
  var data: [String]

  @Option(
    help: "Such a set or file to choose the best weights by, after each epoch (default: the set's)."
  )
  var validation: String?

  @Option(
    help: "Validation pairs used in each epoch, chosen anew each time; all where there are fewer.")
  var validationCount = 500

  @Option(help: "l2, l1, dssim, perceptual, or a sum such as 'perceptual+0.1*l1'.")
  var loss: String

  @Option(
    help:
      "For the loss perceptual: VGG-16's weights (.safetensors, .pth, .h5, .onnx), or random:SEED for untrained ones; other losses do not read them."
  )
  var vgg: String?

  @Option(
    help: "For the loss perceptual: how images become VGG-16's input, raw01, caffe or torchvision.")
  var preprocessing: Preprocessing = .raw01

  @Option(help: "For the loss dssim: pixels between its 3x3 patches.")
  var dssimStride = 3

  @Option(help: "Times that all pairs are gone through (default: 100).")
  var epochs: Int?

  @Option(help: "Steps, instead of epochs.")
  var steps: Int?

  @Option(help: "rmsprop (TensorFlow 1's rule), rmsprop-pytorch or adam.")
  var optimizer = "rmsprop"

  @Option(name: .customLong("lr"), help: "Learning rate.")
  var learningRate = 1e-3

  @Option(help: "Decay of the optimizer's mean of squares (of gradients for adam).")
  var decay: Double?

  @Option(help: "L2 weight decay.")
  var weightDecay = 0.0

  @Option(help: "Largest norm of all gradients together.")
  var clip: Double?

  @Flag(help: "Compute activations again in the backward pass instead of keeping them.")
  var recompute = false

  @Option(help: "Learning rate over time: constant, cosine, or step:EPOCHS:FACTOR.")
  var schedule = "constant"

  @Option(help: "none, flip, shift, shift:PIXELS, or several separated by commas.")
  var augment = "none"

  @Option(help: "Of fresh weights, order and augmentation.")
  var seed: UInt64 = 1

  @Option(name: .customLong("init"), help: "Weights to start from (safetensors).")
  var initialWeights: String?

  @Flag(name: .customLong("no-shuffle"), help: "Take the pairs as they are stored.")
  var isUnshuffled = false

  @Option(help: "Steps between checkpoints (default: an epoch).")
  var checkpointEvery: Int?

  @Option(help: "Checkpoints that stay.")
  var keep = 3

  @Option(help: "A file for the loss of each step, as JSON lines.")
  var log: String?

  @Flag(
    name: .customLong("no-sync-batch-norm"),
    help: "Under mpirun, take batch norm's statistics in each process alone.")
  var isUnsynchronized = false

  @Flag(name: .customLong("resume"), help: "Go on from the last good checkpoint of RUN.")
  var resumes = false

  @Flag(help: "No progress on standard error.")
  var quiet = false

  @Option(name: .shortAndLong, help: "The directory of the run, RUN.")
  var output: String

  func validate() throws {
    try Output.refuseStandard(output, of: "-o")
    try Output.refuseStandard(log, of: "--log")
    guard epochs == nil || steps == nil else {
      throw ValidationError("give --epochs or --steps, not both")
    }
    for (name, value) in [
      ("--epochs", epochs), ("--steps", steps), ("--checkpoint-every", checkpointEvery),
      ("--keep", keep), ("--validation-count", validationCount), ("--dssim-stride", dssimStride),
    ] {
      if let value, !(1...1_000_000_000).contains(value) {
        throw ValidationError("\(name) must lie between 1 and 1000000000, not \(value)")
      }
    }
    guard learningRate > 0, learningRate <= 1e6 else {
      throw ValidationError("--lr must be a positive number up to 1e6, not \(learningRate)")
    }
    if let decay, !(decay >= 0 && decay < 1) {
      throw ValidationError("--decay must be at least 0 and less than 1, not \(decay)")
    }
    guard weightDecay >= 0, weightDecay <= 1e6 else {
      throw ValidationError("--weight-decay must lie between 0 and 1e6, not \(weightDecay)")
    }
    if let clip, !(clip > 0 && clip <= 1e30) {
      throw ValidationError("--clip must be a positive number, not \(clip)")
    }
  }

  func run() throws {
    if let log {
      if let own = RunDirectory.files(of: output).first(where: { Output.isSame($0, log) }) {
        throw Diagnostic(
          "the log would be a file that the run writes itself", at: SourceLocation(file: own),
          help: "name another file with --log")
      }
      try Output.check(log, against: data + [validation, vgg, initialWeights].compactMap { $0 })
    }
    let processes = try MPI.started()
    let work = try TrainWork(self, processes)
    if work.writes { try RunDirectory.check(output, resumes: resumes) }
    let progress = TrainProgress(
      total: work.plan.steps, batch: work.plan.order.batch, isQuiet: quiet || !work.writes)
    defer { progress.close() }
    try work.train(progress)
    try processes?.end()
  }
}

extension Preprocessing: ExpressibleByArgument {}
