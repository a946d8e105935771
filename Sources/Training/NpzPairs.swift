import Compiler
import Diagnostics
import Tensors

/// The pairs of an .npz file with `input` and `target`, both float32 [N, C, H, W], held in memory; they may differ in C.
public struct NpzPairs: TrainingData {
  public let path: String
  public let count: Int
  public let shape: Shape
  public let targetShape: Shape
  /// The file's SHA-256.
  public let fingerprint: String
  private let inputs: Tensor<Float>
  private let targets: Tensor<Float>

  /// Throws where an array is missing, is not float32 [N, C, H, W], or holds a value that is not finite, and where the
  /// two differ in N, H or W.
  public init(_ path: String) throws(Diagnostic) {
    let bytes = try FileBytes.read(path)
    guard NpzFile.isNpz(bytes) else {
      throw Diagnostic(
        "this is no .npz file of training data", at: SourceLocation(file: path),
        help: "write it with numpy.savez(path, input=..., target=...)")
    }
    let file = try NpzFile(bytes, path: path)
    self.path = path
    let (inputs, targets) = (
      try Self.images("input", file, path), try Self.images("target", file, path)
    )
    guard [0, 2, 3].allSatisfy({ inputs.shape[$0] == targets.shape[$0] }) else {
      throw Diagnostic(
        "'input' has the shape \(inputs.shape), but 'target' \(targets.shape)",
        at: SourceLocation(file: path), help: "each input needs one target of its size")
    }
    (self.inputs, self.targets) = (inputs, targets)
    count = inputs.shape[0]
    shape = try Shape(Array(inputs.shape.extents.dropFirst()))
    targetShape = try Shape(Array(targets.shape.extents.dropFirst()))
    fingerprint = Digest.hexadecimal(bytes)
  }

  public func pair(_ number: Int) throws(Diagnostic) -> ImagePair {
    func image(_ images: Tensor<Float>, _ count: Int) -> [Float] {
      Array(images.values[number * count..<(number + 1) * count])
    }
    return ImagePair(
      input: image(inputs, shape.elementCount), target: image(targets, targetShape.elementCount))
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
