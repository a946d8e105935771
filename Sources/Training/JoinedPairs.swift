import Diagnostics
import Tensors

/// The pairs of several sets, one set after another.
public struct JoinedPairs: TrainingData {
  private let sets: [any TrainingData]
  public let shape: Shape
  public let targetShape: Shape
  public let count: Int
  public var path: String { sets.map(\.path).joined(separator: ", ") }
  public var fingerprint: String { sets.map(\.fingerprint).joined(separator: ", ") }

  /// Throws where the images differ in shape; `sets` is not empty.
  public init(_ sets: [any TrainingData]) throws(Diagnostic) {
    self.sets = sets
    (shape, targetShape) = (sets[0].shape, sets[0].targetShape)
    count = sets.reduce(0) { $0 + $1.count }
    for set in sets.dropFirst() where (set.shape, set.targetShape) != (shape, targetShape) {
      throw Diagnostic(
        "its pairs are \(set.pairText), those of \(sets[0].path) are \(sets[0].pairText)",
        at: SourceLocation(file: set.path), help: "prepare both alike")
    }
  }

  public func pair(_ number: Int) throws(Diagnostic) -> ImagePair {
    var number = number
    for set in sets {
      if number < set.count { return try set.pair(number) }
      number -= set.count
    }
    throw Diagnostic("there is no pair \(number) after the last", at: SourceLocation(file: path))
  }
}
