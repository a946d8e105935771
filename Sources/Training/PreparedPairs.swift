import Diagnostics
import MRData
import Tensors

/// The pairs of one part of a prepared set, read from its file one by one.
public struct PreparedPairs: TrainingData {
  public let path: String
  public let count: Int
  public let shape: Shape
  public let targetShape: Shape
  /// The SHA-256 of the set's images, and the part.
  public let fingerprint: String
  private let set: PreparedSet
  private let part: PreparedSet.Part

  /// Throws where the set is damaged or the part is empty.
  public init(_ set: PreparedSet, _ part: PreparedSet.Part) throws(Diagnostic) {
    (self.set, self.part, path) = (set, part, set.directory)
    count = set.count(part)
    guard count > 0 else {
      throw Diagnostic(
        "the set has no images for \(part.rawValue)", at: SourceLocation(file: path),
        help: "prepare it again with other subjects")
    }
    (shape, targetShape) = (try Shape(set.shape), try Shape(set.targetShape))
    fingerprint = "\(set.manifest.imagesSHA256) \(part.rawValue)"
  }

  public func pair(_ number: Int) throws(Diagnostic) -> ImagePair {
    let (input, target) = try set.images(part, [number])
    guard input.values.allSatisfy(\.isFinite), target.values.allSatisfy(\.isFinite) else {
      throw Diagnostic(
        "image \(number) of \(part.rawValue) holds a value that is not finite",
        at: SourceLocation(file: path), help: "prepare the set again")
    }
    return ImagePair(input: input.values, target: target.values)
  }
}
