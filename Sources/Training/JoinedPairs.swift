import Diagnostics
import Tensors

/// The pairs of several sets, one set after another.
public struct JoinedPairs: TrainingData {
  private let sets: [any TrainingData]
  public let shape: Shape
  public let count: Int
  public var path: String { sets.map(\.path).joined(separator: ", ") }
  public var fingerprint: String { sets.map(\.fingerprint).joined(separator: ", ") }

  /// Throws where the images differ in shape; `sets` is not empty.
  public init(_ sets: [any TrainingData]) throws(Diagnostic) {
    self.sets = sets
    shape = sets[0].shape
    count = sets.reduce(0) { $0 + $1.count }
    for set in sets.dropFirst() where set.shape != shape {
      throw Diagnostic(
        "its pairs are \(set.shape), those of \(sets[0].path) are \(shape)",
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
