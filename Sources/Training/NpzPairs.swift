import Compiler
import Diagnostics
import Tensors

/// The pairs of an .npz file with `input` and `target`, both float32 [N, C, H, W], held in memory.
public struct NpzPairs: TrainingData {
  public let path: String
  public let count: Int
  public let shape: Shape
  /// The file's SHA-256.
  public let fingerprint: String
  private let inputs: Tensor<Float>
  private let targets: Tensor<Float>

  /// Throws where an array is missing, is not float32 [N, C, H, W], or holds a value that is not finite, and where the
  /// two differ in shape.
  public init(_ path: String) throws(Diagnostic) {
    let bytes = try FileBytes.read(path)
    guard NpzFile.isNpz(bytes) else {
      throw Diagnostic(
        "this is no .npz file of training data", at: SourceLocation(file: path),
        help: "write it with numpy.savez(path, input=..., target=...)")
    }
    let file = try NpzFile(bytes, path: path)
    self.path = path
    inputs = try Self.images("input", file, path)
    targets = try Self.images("target", file, path)
    guard inputs.shape == targets.shape else {
      throw Diagnostic(
        "'input' has the shape \(inputs.shape), but 'target' \(targets.shape)",
        at: SourceLocation(file: path), help: "each input needs one target of its size")
    }
    count = inputs.shape[0]
    shape = try Shape(Array(inputs.shape.extents.dropFirst()))
    fingerprint = Digest.hexadecimal(bytes)
  }

  public func pair(_ number: Int) throws(Diagnostic) -> ImagePair {
    let range = number * shape.elementCount..<(number + 1) * shape.elementCount
    return ImagePair(input: Array(inputs.values[range]), target: Array(targets.values[range]))
  }

  private static func images(
    _ name: String, _ file: NpzFile, _ path: String
  ) throws(Diagnostic) -> Tensor<Float> {
    let place = SourceLocation(file: "\(path)[\(name)]")
    let array = try file.array(name)
    guard case .float32(let images) = array, images.shape.rank == 4 else {
      throw Diagnostic(
        "'\(name)' is \(array.typeName) \(array.shape), not float32 [N, C, H, W]", at: place,
        help: "store it as float32 [image, channel, row, column]")
    }
    if let bad = images.values.firstIndex(where: { !$0.isFinite }) {
      let size = images.shape.elementCount / images.shape[0]
      throw Diagnostic(
        "'\(name)' holds a value that is not finite, in image \(bad / size)", at: place,
        help: "leave that image out")
    }
    return images
  }
}
