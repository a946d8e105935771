import Diagnostics

/// A dense array in row-major order (last dimension contiguous).
public struct Tensor<Scalar: Sendable>: Sendable {
  public let shape: Shape
  /// `shape.elementCount` values, row-major.
  public var values: [Scalar]

  /// Throws where the number of values is not that of the shape.
  public init(_ shape: Shape, _ values: [Scalar]) throws(Diagnostic) {
    guard values.count == shape.elementCount else {
      throw Diagnostic("\(values.count) values do not fill the shape \(shape)")
    }
    self.shape = shape
    self.values = values
  }

  public init(_ shape: Shape, repeating value: Scalar) {
    self.shape = shape
    values = [Scalar](repeating: value, count: shape.elementCount)
  }

  /// The same values under another shape of equal size.
  public func reshaped(_ shape: Shape) throws(Diagnostic) -> Tensor {
    try Tensor(shape, values)
  }

  /// Inlinable, so that each use is compiled for its types: without that every value goes through an existential box.
  @inlinable
  public func map<Other: Sendable>(_ transform: (Scalar) -> Other) -> Tensor<Other> {
    var result = Tensor<Other>(uncheckedShape: shape)
    result.values = values.map(transform)
    return result
  }

  @usableFromInline
  init(uncheckedShape: Shape) {
    shape = uncheckedShape
    values = []
  }
}

extension Tensor: Equatable where Scalar: Equatable {}
