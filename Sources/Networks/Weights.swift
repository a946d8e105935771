import Diagnostics
import Tensors

/// The values of a model's parameters, by name.
public struct Weights: Sendable {
  public var tensors: [String: Tensor<Float>]
  /// What the file said besides: `network`, `settings`, a training record.
  public var metadata: [String: String]

  public init(_ tensors: [String: Tensor<Float>], metadata: [String: String] = [:]) {
    self.tensors = tensors
    self.metadata = metadata
  }

  /// Fresh weights; the same seed gives the same bytes everywhere.
  ///
  /// `asIdentity` sets the network's `identityParameters` to zero.
  public static func initialized(
    _ model: NetworkModel, seed: UInt64, asIdentity: Bool = false
  ) -> Weights {
    let zeros = asIdentity ? model.network.identityParameters : []
    var tensors: [String: Tensor<Float>] = [:]
    for parameter in model.parameters {
      let initializer = zeros.contains(parameter.name) ? .constant(0) : parameter.initializer
      tensors[parameter.name] = initializer.values(
        parameter.shape, name: parameter.name, seed: seed)
    }
    return Weights(tensors, metadata: ModelDescription(of: model.network).metadata)
  }

  /// As the float64 reference takes them.
  public var doubles: [String: Tensor<Double>] { tensors.mapValues { $0.map { Double($0) } } }

  // MARK: Files

  /// The value of the metadata's key `format` in files written here.
  public static let format = "rephase weights 1"

  /// Which network a file's metadata names, if any; `MODEL` and `--set` may then be left out.
  public static func modelDescription(
    _ metadata: [String: String], file: String
  ) throws(Diagnostic) -> ModelDescription? {
    try ModelDescription(metadata: metadata, file: file)
  }

  /// A model's weights from a safetensors file.
  ///
  /// Throws where the file names another network or other settings, or holds other tensors than the model has.
  public static func read(_ path: String, for model: NetworkModel) throws(Diagnostic) -> Weights {
    try read(try Safetensors.read(path), path: path, for: model)
  }

  /// Same, for a file that is in memory already.
  public static func read(
    _ file: Safetensors, path: String, for model: NetworkModel
  ) throws(Diagnostic) -> Weights {
    let description = try modelDescription(file.metadata, file: path)
    try description?.check(against: model.network, file: path)
    return try read(
      file, path: path, signature: model.signature,
      ignoringOthers: model.network.ignoresOtherWeights)
  }

  /// The tensors of a signature, as `WeightShape.signature(of:)` gives it for a graph.
  ///
  /// Throws one diagnostic that lists all that is missing, left over (unless `ignoringOthers`) or of another shape.
  public static func read(
    _ file: Safetensors, path: String, signature: [WeightShape], ignoringOthers: Bool = false
  ) throws(Diagnostic) -> Weights {
    let notes = differences(file, signature, ignoringOthers)
    guard notes.isEmpty else {
      throw Diagnostic(
        "the weight file does not fit the model: "
          + (notes.count == 1 ? "1 difference" : "\(notes.count) differences"),
        at: SourceLocation(file: path),
        help: "check the model's name and settings, or make weights with 'rephase init'",
        notes: shortened(notes))
    }
    var tensors: [String: Tensor<Float>] = [:]
    for weight in signature { tensors[weight.name] = try file.floats(weight.name) }
    return Weights(tensors, metadata: file.metadata)
  }

  private static func differences(
    _ file: Safetensors, _ signature: [WeightShape], _ ignoringOthers: Bool
  ) -> [String] {
    var shapes: [String: Shape] = [:]
    for entry in file.entries { shapes[entry.name] = entry.shape }
    var notes: [String] = []
    for weight in signature {
      guard let shape = shapes.removeValue(forKey: weight.name) else {
        notes.append("'\(weight.name)' \(weight.shape) is missing")
        continue
      }
      if shape != weight.shape {
        notes.append("'\(weight.name)' has the shape \(shape), the model takes \(weight.shape)")
      }
    }
    if ignoringOthers { return notes }
    for entry in file.entries where shapes[entry.name] != nil && !isBatchCount(entry) {
      notes.append("'\(entry.name)' \(entry.shape) is not in the model")
    }
    return notes
  }

  /// PyTorch's state dicts count the batches that each batch norm has seen; inference has no use for it.
  private static func isBatchCount(_ entry: Safetensors.Entry) -> Bool {
    entry.name.split(separator: ".").last == "num_batches_tracked" && entry.elementType == "I64"
      && entry.shape.elementCount == 1
  }

  private static func shortened(_ notes: [String]) -> [String] {
    let limit = 12
    if notes.count <= limit { return notes }
    return notes.prefix(limit) + ["and \(notes.count - limit) more"]
  }

  /// The bytes of a safetensors file that names no model.
  public func encoded() throws(Diagnostic) -> [UInt8] {
    var metadata = metadata
    metadata["format"] = Self.format
    return try Safetensors.encode(listed(), metadata: metadata)
  }

  /// Writes all tensors with the metadata, which names the model, as a safetensors file that appears complete or
  /// not at all.
  public func write(to path: String, for model: NetworkModel) throws(Diagnostic) {
    try Safetensors.write(listed(), metadata: metadata(for: model), to: path)
  }

  /// The bytes that `write` writes; the same for the same weights.
  public func encoded(for model: NetworkModel) throws(Diagnostic) -> [UInt8] {
    try Safetensors.encode(listed(), metadata: metadata(for: model))
  }

  private func listed() -> [(name: String, tensor: AnyTensor)] {
    tensors.sorted { $0.key < $1.key }.map { ($0.key, .float32($0.value)) }
  }

  private func metadata(for model: NetworkModel) -> [String: String] {
    var metadata = metadata
    metadata["format"] = Self.format
    for (key, value) in ModelDescription(of: model.network).metadata { metadata[key] = value }
    return metadata
  }
}
