import Diagnostics
import Tensors

/// An image to restore and the image that is wanted for it: row-major values of the data's shapes.
public struct ImagePair: Sendable, Equatable {
  public var input: [Float]
  public var target: [Float]

  public init(input: [Float], target: [Float]) {
    self.input = input
    self.target = target
  }
}

/// Pairs of images to train on or to validate with, fetched one by one so that they need not all lie in memory.
///
/// Read by one thread at a time.
public protocol TrainingData: Sendable {
  /// Pairs; at least one.
  var count: Int { get }
  /// [channels, rows, columns] of one input.
  var shape: Shape { get }
  /// Of its target, which has the same rows and columns; `shape` unless defined.
  var targetShape: Shape { get }
  /// Where the data comes from, for messages.
  var path: String { get }
  /// Equal for equal content: a run goes on only with the data that it was started with.
  var fingerprint: String { get }

  /// The pair of this number, 0 ..< count.
  ///
  /// Throws where it cannot be read or holds values that are not finite.
  func pair(_ number: Int) throws(Diagnostic) -> ImagePair
}

extension TrainingData {
  public var targetShape: Shape { shape }

  /// The shapes, for messages.
  public var pairText: String {
    shape == targetShape ? "\(shape)" : "\(shape) to \(targetShape)"
  }
}

/// Pairs of images computed together.
public struct Batch: Sendable, Equatable {
  /// [batch, channels, rows, columns].
  public var input: Tensor<Float>
  public var target: Tensor<Float>

  /// Throws where the pairs do not have the shapes [channels, rows, columns].
  init(_ pairs: [ImagePair], of shape: Shape, _ targetShape: Shape) throws(Diagnostic) {
    input = try Tensor(try Shape([pairs.count] + shape.extents), pairs.flatMap(\.input))
    target = try Tensor(try Shape([pairs.count] + targetShape.extents), pairs.flatMap(\.target))
  }
}
