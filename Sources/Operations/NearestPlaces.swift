import Diagnostics
import GraphIR
import LoopIR

/// Which element of its operand each element of a nearest-neighbour resizing along one dimension is: that of number
/// (slope j + offset) / unit, rounded down, for element j.
public struct NearestPlaces {
  /// ONNX's names (Resize, `nearest_mode`).
  public enum Rounding: String, Hashable, Sendable, CaseIterable {
    case floor, ceil, round_prefer_floor, round_prefer_ceil
  }

  private let source: Int
  private let count: Int
  private let slope: Int
  private let offset: Int
  private let unit: Int

  /// Rounding up and to the nearest is rounding down of later places.
  public init(
    from source: Int, to count: Int, _ coordinates: LinearPlaces.Coordinates, _ rounding: Rounding
  ) {
    (self.source, self.count) = (source, count)
    let places = LinearPlaces(from: source, to: count, coordinates)
    let (first, unit) = places.place(of: 0)
    let slope = places.place(of: 1).numerator - first
    switch rounding {
    case .floor: (self.slope, offset, self.unit) = (slope, first, unit)
    case .ceil: (self.slope, offset, self.unit) = (slope, first + unit - 1, unit)
    case .round_prefer_floor:
      (self.slope, offset, self.unit) = (2 * slope, 2 * first + unit - 1, 2 * unit)
    case .round_prefer_ceil:
      (self.slope, offset, self.unit) = (2 * slope, 2 * first + unit, 2 * unit)
    }
  }

  public func element(of result: Int) -> Int {
    min(max(slope * result + offset, 0), (source - 1) * unit) / unit
  }

  func element(of result: Expression) -> Expression {
    let place = result * .integer(slope) + .integer(offset)
    let inside = Expression.binary(
      .minimum, .binary(.maximum, place, .integer(0)), .integer((source - 1) * unit))
    return .binary(.divide, inside, .integer(unit))
  }

  // MARK: Results that an element of the operand is

  /// So many that none is left out: places lie up to 1.5 beyond an element's own.
  var readers: Int { slope == 0 ? count : min(count, 4 * unit / slope + 2) }

  /// The first of `readers` results; it and later ones may be none of the element's, or not exist.
  func firstReader(of element: Expression) -> Expression {
    if readers == count { return .integer(0) }
    let place = (element - .integer(1)) * .integer(unit) - .integer(offset)
    return .binary(.divide, .binary(.maximum, place, .integer(0)), .integer(slope))
  }
}
