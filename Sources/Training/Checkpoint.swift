import Compiler
import Diagnostics
import Foundation
import Tensors

/// The file form of a training state: a magic word, a SHA-256 of the rest, and a safetensors file.
///
/// ```
/// rephase checkpoint 1\n   21 bytes
/// digest                   32 bytes, of all that follows
/// safetensors              tensors weights/..., optimizer/..., history/...; the settings are metadata
/// ```
public enum Checkpoint {
  static let magic = Array("rephase checkpoint 1\n".utf8)
  private static let digestBytes = 32

  /// The same for equal states.
  public static func encode(_ state: TrainingState) throws(Diagnostic) -> [UInt8] {
    var tensors: [(name: String, tensor: AnyTensor)] = []
    for (name, tensor) in state.weights { tensors.append(("weights/" + name, .float32(tensor))) }
    for (name, tensor) in state.optimizer {
      tensors.append(("optimizer/" + name, .float32(tensor)))
    }
    let history = state.history
    try append("history/losses", history.losses, to: &tensors)
    try append("history/epoch_training", history.epochs.map(\.training), to: &tensors)
    try append("history/epoch_validation", history.epochs.map(\.validation), to: &tensors)
    if !history.epochs.isEmpty {
      let steps = history.epochs.map { Int64($0.step) }
      tensors.append(("history/epoch_steps", .int64(try Tensor(try Shape([steps.count]), steps))))
    }
    var metadata = state.settings
    metadata[stepKey] = "\(state.step)"
    let content = try Safetensors.encode(tensors, metadata: metadata)
    return magic + Digest.bytes(content) + content
  }

  /// Throws where the bytes are not what `encode` made, in any bit.
  public static func decode(_ bytes: [UInt8], path: String) throws(Diagnostic) -> TrainingState {
    guard bytes.starts(with: magic) else { throw damaged("it does not start as one", path) }
    let start = magic.count + digestBytes
    guard bytes.count > start else { throw damaged("it was cut off", path) }
    let content = Array(bytes[start...])
    guard Digest.bytes(content) == Array(bytes[magic.count..<start]) else {
      throw damaged("its checksum is wrong", path)
    }
    let file = try Safetensors(content, path: path)
    var settings = file.metadata
    guard let step = settings.removeValue(forKey: stepKey).flatMap({ Int($0) }), step >= 0 else {
      throw damaged("it does not say its step", path)
    }
    var state = TrainingState(
      step: step, weights: try tensors(file, "weights/"),
      optimizer: try tensors(file, "optimizer/"),
      settings: settings)
    state.history = try history(file, path)
    return state
  }

  /// No setting can have this name: they are options' names.
  private static let stepKey = "step"

  private static func append(
    _ name: String, _ values: [Float], to tensors: inout [(name: String, tensor: AnyTensor)]
  ) throws(Diagnostic) {
    guard !values.isEmpty else { return }
    tensors.append((name, .float32(try Tensor(try Shape([values.count]), values))))
  }

  private static func tensors(
    _ file: Safetensors, _ prefix: String
  ) throws(Diagnostic) -> [String: Tensor<Float>] {
    var result: [String: Tensor<Float>] = [:]
    for name in file.names where name.hasPrefix(prefix) {
      result[String(name.dropFirst(prefix.count))] = try file.floats(name)
    }
    return result
  }

  private static func history(
    _ file: Safetensors, _ path: String
  ) throws(Diagnostic) -> TrainingHistory {
    func floats(_ name: String) throws(Diagnostic) -> [Float] {
      file.contains(name) ? try file.floats(name).values : []
    }
    var history = TrainingHistory()
    history.losses = try floats("history/losses")
    let training = try floats("history/epoch_training")
    let validation = try floats("history/epoch_validation")
    var steps: [Int64] = []
    if file.contains("history/epoch_steps"),
      case .int64(let tensor) = try file.tensor("history/epoch_steps")
    {
      steps = tensor.values
    }
    guard steps.count == training.count, steps.count == validation.count else {
      throw damaged("its history is not of one length", path)
    }
    for (step, values) in zip(steps, zip(training, validation)) {
      history.epochs.append(
        .init(step: Int(step), training: values.0, validation: values.1))
    }
    return history
  }

  private static func damaged(_ why: String, _ path: String) -> Diagnostic {
    Diagnostic("the checkpoint is damaged: \(why)", at: SourceLocation(file: path))
  }
}
