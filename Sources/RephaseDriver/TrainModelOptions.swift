import ArgumentParser
import LoopIR

/// The network of `train`, of which other commands take more kinds, and its step.
struct TrainModelOptions: ParsableArguments {
  @Argument(
    help:
      "A zoo name (resnet1 to resnet16, unet, cascade1 to cascade8, varnet) or 'self' for your own network; may be left out where --init's file names the network."
  )
  var model: String?

  @Option(
    name: .customLong("set"), help: "A setting of the network, as key=value; may be repeated.")
  var settings: [SettingOption] = []

  /// Known in order to be told from others.
  @Option(help: .hidden)
  var weights: String?

  @Option(help: "Pairs of a step (default: 32).")
  var batch: Int?

  @Option(help: "Rows and columns of the pairs, as HxW, to be checked (default: theirs).")
  var size: SizeOption?

  @Option(
    help:
      "native, an x86-64 level or processor such as x86-64-v3, sm_80 or sm_90 for NVIDIA GPUs, or auto: this machine's GPU, else the CPU."
  )
  var target = "native"

  @Option(help: "Threads; 0 means all cores.")
  var threads: Int = 0

  @Option(help: "strict (direct summation), standard, or on GPUs tf32 or bf16 (rounded factors).")
  var precision: Precision = .standard

  func validate() throws {
    guard weights == nil else {
      throw ValidationError("train makes weights; --init gives those to start from")
    }
    try common.validate()
  }

  /// The same as the options of other commands.
  var common: ModelOptions {
    var options = ModelOptions()
    options.model = model
    options.settings = settings
    options.weights = nil
    options.batch = batch
    options.size = size.map { ModelSizeOption($0.size) }
    options.target = target
    options.threads = threads
    options.precision = precision
    return options
  }
}
