import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// Where the elements of a linear interpolation along one dimension lie between those of its operand: element j at
/// (slope j + offset) / unit.
public struct LinearPlaces {
  /// ONNX's names (Resize, `coordinate_transformation_mode`).
  public enum Coordinates: String, Hashable, Sendable, CaseIterable {
    case half_pixel, align_corners, asymmetric
  }

  private let source: Int
  private let count: Int
  private let slope: Int
  private let offset: Int
  private let unit: Int
  /// Far more than images have; products of two sizes stay small.
  static let sizes = 1...1 << 24

  public init(from source: Int, to count: Int, _ coordinates: Coordinates) {
    (self.source, self.count) = (source, count)
    switch coordinates {
    case .half_pixel: (slope, offset, unit) = (2 * source, source - count, 2 * count)
    case .align_corners:
      (slope, offset, unit) = count > 1 ? (source - 1, 0, count - 1) : (0, 0, 1)
    case .asymmetric: (slope, offset, unit) = (source, 0, count)
    }
  }

  /// Where an element lies, as a quotient; it may lie beyond the operand's ends.
  public func place(of element: Int) -> (numerator: Int, denominator: Int) {
    (slope * element + offset, unit)
  }

  // MARK: Neighbours in the operand, and how far the element is from the first to the second

  func neighbours(of element: Int) -> (low: Int, high: Int, share: Double) {
    let place = min(max(Double(slope * element + offset) / Double(unit), 0), Double(source - 1))
    let low = Int(place)
    return (low, min(low + 1, source - 1), place - Double(low))
  }

  func neighbours(
    of element: Expression, _ type: ElementType
  ) -> (low: Expression, high: Expression, share: Expression) {
    let place = clamped(element)
    let low = Expression.binary(.divide, place, .integer(unit))
    let high = Expression.binary(.minimum, low + .integer(1), .integer(source - 1))
    return (low, high, inUnits(.binary(.remainder, place, .integer(unit)), type))
  }

  /// Times `unit`.
  private func clamped(_ element: Expression) -> Expression {
    let place = element * .integer(slope) + .integer(offset)
    return .binary(
      .minimum, .binary(.maximum, place, .integer(0)), .integer((source - 1) * unit))
  }

  private func inUnits(_ value: Expression, _ type: ElementType) -> Expression {
    .binary(.divide, .cast(type, value), .real(Double(unit), type))
  }

  // MARK: Elements that an element of the operand is a neighbour of

  /// Those that lie less than 1 from it, or all.
  var readers: Int { slope == 0 ? count : min(count, 2 * unit / slope + 2) }

  /// The first of `readers` elements; it and later ones may not exist.
  func firstReader(of element: Expression) -> Expression {
    if readers == count { return .integer(0) }
    let place = (element - .integer(1)) * .integer(unit) - .integer(offset)
    return .binary(.divide, place, .integer(slope))
  }

  /// 1 less the distance, and whether that is positive.
  func share(
    of element: Expression, in reader: Expression, _ type: ElementType
  ) -> (isPositive: Expression, share: Expression) {
    let distance = Expression.unary(.abs, clamped(reader) - element * .integer(unit))
    return (
      .binary(.less, distance, .integer(unit)), inUnits(.integer(unit) - distance, type)
    )
  }

  // MARK: What both operations share

  static func attributes(
    _ reader: inout AttributeReader
  ) throws(Diagnostic) -> (dimension: Int, size: Int, Coordinates) {
    let dimension = try reader.integer("dimension")
    let size = try reader.integer("size")
    guard sizes.contains(size) else {
      throw Diagnostic("size = \(size) must lie between 1 and \(sizes.upperBound)")
    }
    let word = try reader.word("coordinates", of: Coordinates.allCases.map(\.rawValue))
    return (dimension, size, Coordinates(rawValue: word) ?? .half_pixel)
  }

  static func attributes(
    _ dimension: Int, _ size: Int, _ coordinates: Coordinates
  ) -> [Attribute] {
    [
      Attribute("dimension", .integer(dimension)), Attribute("size", .integer(size)),
      Attribute("coordinates", .word(coordinates.rawValue)),
    ]
  }

  static func inferResult(
    _ operands: [TensorType], _ dimension: Int, _ size: Int, _ mnemonic: String
  ) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 1...1, mnemonic)
    try Require.float(operands, mnemonic)
    var extents = operands[0].shape.extents
    guard extents.indices.contains(dimension), sizes.contains(extents[dimension]) else {
      throw Diagnostic("dimension = \(dimension) is none of \(operands[0])")
    }
    extents[dimension] = size
    return [TensorType(try Shape(extents), operands[0].element)]
  }
}
