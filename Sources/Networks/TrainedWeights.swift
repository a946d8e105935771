import CTrainedWeights
import Diagnostics
import Tensors

/// Trained weights that are part of the program.
///
/// Sources/CTrainedWeights/README.md says what they were trained on and what they reach.
public enum TrainedWeights {
  /// The networks that there are weights for.
  public static let networks: [String] = files.keys.sorted()

  private static let files: [String: [UInt8]] = {
    var files: [String: [UInt8]] = [:]
    guard var next = rephase_trained_weight_files() else { return files }
    while let name = next.pointee.network {
      files[String(cString: name)] = Array(
        UnsafeBufferPointer(start: next.pointee.bytes, count: next.pointee.count))
      next += 1
    }
    return files
  }()

  /// The weight file of a network; nil where none comes with the program.
  ///
  /// Throws where the program itself is damaged.
  public static func file(for network: String) throws(Diagnostic) -> Safetensors? {
    guard let bytes = files[network] else { return nil }
    return try Safetensors(bytes, path: path(for: network))
  }

  /// How messages call the weight file of a network.
  public static func path(for network: String) -> String {
    "the weights of \(network) that come with rephase"
  }
}
