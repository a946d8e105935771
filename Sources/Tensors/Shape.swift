import Diagnostics

/// The extents of a tensor, outermost first; a scalar has none.
///
/// Every shape that exists has positive extents and a product that fits: `elementCount` cannot overflow.
public struct Shape: Hashable, Sendable, CustomStringConvertible {
  public let extents: [Int]
  public let elementCount: Int

  /// More dimensions than any format or network here has.
  public static let maximumRank = 8
  /// 2^36 elements: more than any machine this runs on can hold, and safe to multiply by any element size.
  public static let maximumElements = 1 << 36

  /// Throws where an extent is not positive, there are more than 8, or the product passes 2^36.
  public init(_ extents: [Int]) throws(Diagnostic) {
    guard extents.count <= Self.maximumRank else {
      throw Diagnostic(
        "a shape of \(extents.count) dimensions is more than the \(Self.maximumRank) there can be")
    }
    var product = 1
    for extent in extents {
      guard extent > 0 else {
        throw Diagnostic(
          "the extent \(extent) in shape \(Self.text(extents)) is not positive",
          help: "every dimension holds at least one element")
      }
      let (next, overflow) = product.multipliedReportingOverflow(by: extent)
      guard !overflow, next <= Self.maximumElements else {
        throw Diagnostic("the shape \(Self.text(extents)) has more than 2^36 elements")
      }
      product = next
    }
    self.extents = extents
    elementCount = product
  }

  public static let scalar = Shape()

  private init() {
    extents = []
    elementCount = 1
  }

  public var rank: Int { extents.count }
  public subscript(_ dimension: Int) -> Int { extents[dimension] }

  /// Distance in elements between neighbours along each dimension, last dimension contiguous.
  public var rowMajorStrides: [Int] {
    var strides = [Int](repeating: 1, count: rank)
    for dimension in stride(from: rank - 2, through: 0, by: -1) {
      strides[dimension] = strides[dimension + 1] * extents[dimension + 1]
    }
    return strides
  }

  public var description: String { Self.text(extents) }

  private static func text(_ extents: [Int]) -> String {
    "[" + extents.map(String.init).joined(separator: ", ") + "]"
  }
}

/// A shape and an element type: `tensor<1x32x192x128xf32>`.
public struct TensorType: Hashable, Sendable, CustomStringConvertible {
  public var shape: Shape
  public var element: ElementType

  public init(_ shape: Shape, _ element: ElementType) {
    self.shape = shape
    self.element = element
  }

  /// Bytes of the dense tensor; cannot overflow, as shapes are bounded.
  public var byteCount: Int { shape.elementCount * element.byteCount }

  public var description: String {
    let extents = shape.extents.map { "\($0)x" }.joined()
    return "tensor<\(extents)\(element.rawValue)>"
  }
}
