import ArgumentParser
import Diagnostics
import Foundation
import MRData
import Networks
import Tensors

extension PhaseAxis: ExpressibleByArgument {}
extension CropTime: ExpressibleByArgument {}
extension ScalingMode: ExpressibleByArgument {}
extension Reconstruction.Consistency: ExpressibleByArgument {}
extension Reconstruction.Method: ExpressibleByArgument {}
extension CoilCombination: ExpressibleByArgument {}

/// The network of `recon`: what other commands take as MODEL, under `--model`.
struct ReconModelOptions: ParsableArguments {
  @Option(
    help:
      "A zoo name, 'self', a dump, an .onnx file, a compiled libN.so, or none to stop at zero-filling; may be left out where the weight file names the network."
  )
  var model: String?

  @Option(
    name: .customLong("set"), help: "A setting of the network, as key=value; may be repeated.")
  var settings: [SettingOption] = []

  @Option(
    help:
      "The model's weights (safetensors), or the N.weights of a library; for \(TrainedWeights.networks.joined(separator: ", ")), trained ones come with rephase."
  )
  var weights: String?

  @Option(help: "Frames that the network takes at once (1, or what a library was compiled for).")
  var batch: Int?

  @Option(
    help:
      "The images' size, as HxW: cropped or padded (192x128, or what a library was compiled for); of an .onnx network of volumes, also DxHxW."
  )
  var size: ModelSizeOption?

  @Option(
    help:
      "native (the default), auto, an x86-64 level or processor such as x86-64-v3, or an NVIDIA GPU (sm_80, sm_90)."
  )
  var target: String?

  @Option(help: "Threads of the network; 0 means all cores.")
  var threads: Int = 0

  var isNone: Bool { model == "none" }

  func validate() throws {
    try common.validate()
    guard isNone else { return }
    guard weights == nil, settings.isEmpty, batch == nil, target == nil else {
      throw ValidationError("--model none takes no --weights, --set, --batch or --target")
    }
  }

  /// For scans of so many frames that follow each other; nil for `none`.
  func network(frames: Int) throws -> ReconNetwork? {
    if isNone { return nil }
    let network: ReconNetwork
    if let model, RunCommand.isLibrary(model) {
      guard settings.isEmpty, target == nil else {
        throw ValidationError("--set and --target apply to networks; \(model) is compiled")
      }
      network = try ReconNetwork(library: model, weights: weights, threads: threads)
    } else {
      network = try ReconNetwork(common, frames: frames)
    }
    try network.check(size: size, batch: batch)
    return network
  }

  /// The same as the options of other commands.
  private var common: ModelOptions {
    var options = ModelOptions()
    options.model = model
    options.settings = settings
    options.weights = weights
    options.batch = batch
    options.size = size
    options.target = target ?? "native"
    options.threads = threads
    options.precision = .standard
    return options
  }
}

/// Where the images go.
struct ReconOutputOptions: ParsableArguments {
  @Option(
    name: .shortAndLong,
    help:
      "\(ImageFormat.help) for the images (.npy: float32 [frame, row, column]), or a .png for the sheet alone."
  )
  var output: String

  @Option(
    name: .customLong("png"), help: "The sheet: zero-filled, network, reference, error, as .png.")
  var sheet: String?

  func validate() throws {
    if output.lowercased().hasSuffix(".png") {
      guard sheet == nil else {
        throw ValidationError(
          "-o \(output) is the sheet already; give it a .npy, or leave --png out")
      }
    } else if ImageFormat(path: output) == nil {
      throw ValidationError(
        "the images are written as .png, \(ImageFormat.help), which \(output) does not end with")
    }
    if let sheet, !sheet.lowercased().hasSuffix(".png") {
      throw ValidationError("the sheet is written as .png, which \(sheet) does not end with")
    }
  }

  var imagesPath: String? { output.lowercased().hasSuffix(".png") ? nil : output }
  var sheetPath: String? { imagesPath == nil ? output : sheet }

  /// Throws before the work where the outputs could not be written after it.
  func check(against inputs: [String]) throws(Diagnostic) {
    for path in [imagesPath, sheetPath].compactMap({ $0 }) {
      try Output.check(path, against: inputs)
    }
  }
}
