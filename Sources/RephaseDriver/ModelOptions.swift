import ArgumentParser
import Compiler
import Diagnostics
import Foundation
import GraphIR
import LoopIR
import MRData
import Networks
import ONNX
import Schedules
import Tensors

/// `key=value` of `--set`.
struct SettingOption: ExpressibleByArgument {
  var name: String
  var value: String

  init?(argument: String) {
    let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { return nil }
    name = String(parts[0])
    value = String(parts[1])
  }
}

extension Precision: ExpressibleByArgument {}
extension Stage: ExpressibleByArgument {}

/// MODEL and what every command that takes one understands.
struct ModelOptions: ParsableArguments {
  @Argument(
    help:
      "A zoo name (resnet1 to resnet16, unet, cascade1 to cascade8, varnet, vgg16-features), 'self' for your own network, an .onnx file, or a dump; may be left out where the weight file names the network."
  )
  var model: String?

  @Option(
    name: .customLong("set"), help: "A setting of the network, as key=value; may be repeated.")
  var settings: [SettingOption] = []

  @Option(help: "The model's weights (safetensors).")
  var weights: String?

  @Option(help: "Images computed together (default: 1; for run, as many as the input has).")
  var batch: Int?

  @Option(
    help:
      "Rows and columns of an image, as HxW (default: 192x128; for run, the input's); of an .onnx network of volumes, also DxHxW."
  )
  var size: ModelSizeOption?

  @Option(
    help:
      "native, an x86-64 level or processor such as x86-64-v3, an NVIDIA GPU (sm_80, sm_90), or auto: this machine's GPU, else native."
  )
  var target = "native"

  @Option(help: "Threads, where code is run; 0 means all cores.")
  var threads: Int = 0

  @Option(
    help:
      "strict (direct summation) or standard; on GPUs also tf32 and bf16 (factors rounded to 11 and 8 bits)."
  )
  var precision: Precision = .standard

  func validate() throws {
    if let batch, !(1...4096).contains(batch) {
      throw ValidationError("--batch must lie between 1 and 4096, not \(batch)")
    }
    guard (0...256).contains(threads) else {
      throw ValidationError("--threads must lie between 0 and 256, not \(threads)")
    }
    let names = settings.map(\.name)
    for name in names where names.filter({ $0 == name }).count > 1 {
      throw ValidationError("--set \(name)=... is given twice")
    }
  }

  /// The matrix of Ghodrati 2019.
  static let standardSize = ImageSize(height: 192, width: 128)

  /// `allowsGPU`: whether `auto` may be one; false for commands that need the code in this process.
  func resolvedTarget(allowsGPU: Bool = true) throws(UsageError) -> Schedules.Target {
    try TargetOption.resolve(target, precision: precision, allowsGPU: allowsGPU)
  }

  var settingValues: [String: String] {
    Dictionary(settings.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
  }
}

extension ModelOptions {
  /// A weight file with what messages call it.
  private struct WeightFile {
    var file: Safetensors
    var path: String
  }

  /// The file of `--weights`; else, where asked for, the one that comes with rephase for MODEL.
  private func weightFile(orTrained takesTrained: Bool) throws(Diagnostic) -> WeightFile? {
    if let weights { return WeightFile(file: try Safetensors.read(weights), path: weights) }
    guard takesTrained, let model, let file = try TrainedWeights.file(for: model) else {
      return nil
    }
    return WeightFile(file: file, path: TrainedWeights.path(for: model))
  }

  /// The weight file's name, or what messages call the one that comes with rephase.
  func weightsPath(orTrained takesTrained: Bool) throws(Diagnostic) -> String? {
    try weightFile(orTrained: takesTrained)?.path
  }

  /// The network that MODEL, `--set` and the weight file's metadata name together; nil for a dump.
  func network(orTrained takesTrained: Bool = false) throws -> NetworkModel? {
    try network(with: try weightFile(orTrained: takesTrained))
  }

  private func network(with weights: WeightFile?) throws -> NetworkModel? {
    let description = try weights.flatMap { (weights) throws(Diagnostic) in
      try Weights.modelDescription(weights.file.metadata, file: weights.path)
    }
    guard let model else {
      guard let description, let weights else {
        throw ValidationError(
          weights.map { "give a MODEL: the metadata of \($0.path) names none" }
            ?? "give a MODEL, or weights whose metadata names one")
      }
      let merged = try description.merged(
        network: nil, settings: settingValues, file: weights.path)
      return try Self.network(merged, file: weights.path)
    }
    if model == UserNetwork.name {
      guard let network = UserNetwork.current.withLock({ $0 }) else {
        throw ValidationError("'self' is a network of your own executable; this is plain rephase")
      }
      guard settings.isEmpty else { throw ValidationError("your own network takes no --set") }
      return try NetworkModel(network)
    }
    if Zoo.contains(model) {
      let values = settingValues
      let network = try UsageError.of { () throws(Diagnostic) in
        try Zoo.network(named: model, settings: values)
      }
      guard let description, let weights else { return try NetworkModel(network) }
      return try Self.network(
        try description.merged(network: model, settings: values, file: weights.path),
        file: weights.path)
    }
    guard FileManager.default.fileExists(atPath: model) else {
      _ = try Zoo.network(named: model, settings: settingValues)
      return nil
    }
    guard settings.isEmpty else {
      throw ValidationError("--set applies to networks; \(model) is a file")
    }
    return nil
  }

  /// The network that a weight file's metadata describes.
  private static func network(
    _ description: ModelDescription, file: String
  ) throws(Diagnostic) -> NetworkModel {
    do throws(Diagnostic) {
      return try NetworkModel(
        Zoo.network(named: description.network, settings: description.settings))
    } catch { throw error.located(at: SourceLocation(file: file)) }
  }

  /// The model with its weights.
  ///
  /// `needsWeights` says that a model with parameters may not come without; `orTrained`, that those that come with
  /// rephase do where none are given.
  /// What an ONNX file leaves open of its inputs is as in `inputs`, the shapes of images that are there.
  func resolve(
    needsWeights: Bool, orTrained takesTrained: Bool = false, inputs: [Shape] = []
  ) throws -> ResolvedModel {
    let file = try weightFile(orTrained: takesTrained)
    if let network = try network(with: file) {
      guard size?.slices == nil else {
        throw ValidationError("\(network.name) takes images: give --size as HxW")
      }
      let graph = try network.graph(
        batch: batch ?? 1, height: size?.size.height ?? Self.standardSize.height,
        width: size?.size.width ?? Self.standardSize.width)
      let values = try file.map { (weights) throws(Diagnostic) in
        try Weights.read(weights.file, path: weights.path, for: network).tensors
      }
      if values == nil, needsWeights, !network.parameters.isEmpty {
        throw ValidationError("\(network.name) needs --weights; 'rephase init' makes fresh ones")
      }
      return ResolvedModel(staged: .graph(graph), network: network, weights: values ?? [:])
    }
    let path = model ?? ""
    if isONNX {
      return try onnxModel(path, replacing: file.map { ($0.file, $0.path) }, inputs: inputs)
    }
    let staged = try Self.dump(path)
    try checkImages(of: staged, path)
    let signature = try Self.signature(of: staged)
    var values: [String: Tensor<Float>] = [:]
    if let file {
      if let origin = staged.origin {
        _ = try Weights.modelDescription(file.file.metadata, file: file.path)?
          .merged(network: origin.network, settings: origin.settings, file: file.path)
      }
      values = try Weights.read(file.file, path: file.path, signature: signature).tensors
    } else if needsWeights, !signature.isEmpty {
      throw ValidationError("\(path) needs --weights for \(signature.count) parameters")
    }
    return ResolvedModel(staged: staged, network: nil, weights: values, path: path)
  }

  /// Whether MODEL is a file with shapes of its own.
  var isDump: Bool {
    guard let model, model != UserNetwork.name, !Zoo.contains(model) else { return false }
    return !isONNX
  }

  /// Throws where other images are asked for than those that a dump was made for.
  private func checkImages(of dump: StagedModel, _ path: String) throws {
    guard batch != nil || size != nil else { return }
    let extents = try dump.interface().inputs.first?.extents ?? []
    let own = (4...5).contains(extents.count) ? extents : []
    let images = size.map { [$0.size.height, $0.size.width] }
    let slices = size?.slices
    guard batch == nil || own.first == batch, images == nil || own.suffix(2) == images?[...],
      slices == nil || own.count == 5 && own[2] == slices
    else {
      let shape = extents.map(String.init).joined(separator: "x")
      throw ValidationError(
        "\(path) was made for an input of \(shape), which --batch and --size cannot change")
    }
  }

  /// The model, without weights with fresh ones, or with numbers around 0 for a dump: times do not depend on them.
  func resolveForTiming() throws -> ResolvedModel {
    var model = try resolve(needsWeights: false)
    guard model.weights.isEmpty else { return model }
    if let network = model.network {
      model.weights = Weights.initialized(network, seed: 1).tensors
    } else {
      var generator = SplitMix64(seed: 1)
      for weight in try Self.signature(of: model.staged) {
        var tensor = Tensor<Float>(weight.shape, repeating: 0)
        for place in tensor.values.indices { tensor.values[place] = generator.nextUnit() - 0.5 }
        model.weights[weight.name] = tensor
      }
    }
    return model
  }

  /// Reads a dump of any stage.
  static func dump(_ path: String) throws(Diagnostic) -> StagedModel {
    guard !ONNXModel.isONNX(path) else {
      throw Diagnostic(
        "\(path) is an ONNX file, and this takes dumps",
        help: "write one with 'rephase emit \(path) --stage graph -o F.rir'")
    }
    let bytes = try FileBytes.read(path, limit: Lexer.maximumLength)
    if bytes.starts(with: [0x7F, 0x45, 0x4C, 0x46]) {
      throw Diagnostic(
        "\(path) is a compiled library, which this command does not take",
        help: "give a network or a dump; 'rephase run' takes libraries")
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw Diagnostic(
        "\(path) is no text", help: "give a zoo name, a dump, or a file that ends in .onnx")
    }
    return try DumpReader.read(text, file: path)
  }

  private static func signature(of model: StagedModel) throws(Diagnostic) -> [WeightShape] {
    switch model {
    case .graph(let function): return WeightShape.signature(of: function)
    case .loops(let module), .llvm(_, let module), .assembly(_, let module), .ptx(_, let module):
      var signature: [WeightShape] = []
      for item in module.buffers {
        guard case .parameter(let name) = item.role else { continue }
        signature.append(WeightShape(name: name, shape: try Shape(item.buffer.extents)))
      }
      return signature
    }
  }
}
