import LoopIR

/// The rows (or columns) of pixels that lie inside of an image; row stride·y + ky has the number that it is.
///
/// Padding is what lies outside. A thread that reads the nearest pixel inside, and takes zero instead where that is
/// not the one it asked for, needs no branch, so that it can wait for all its pixels at once.
struct InsideRange: Hashable {
  private let inside: Interval
  /// Of all rows that some result sees.
  private let count: Int

  /// Nil where pixels lie between zeros, or where some condition looks at more than `place` and `offset`.
  init?(
    _ place: LoopNest.Dimension, _ offset: LoopNest.Dimension, stride: Int,
    conditions: [Expression]
  ) {
    count = (place.extent - 1) * stride + offset.extent
    let own = conditions.filter {
      !$0.variablesUsed.isDisjoint(with: [place.name, offset.name])
    }
    var positions: [Int] = []
    for position in 0..<count {
      let values = [place.name: Expression.integer(0), offset.name: .integer(position)]
      let truths = own.map { $0.substituting(values).simplified().truth([:]) }
      if truths.contains(nil) { return nil }
      if truths.allSatisfy({ $0 == true }) { positions.append(position) }
    }
    guard let first = positions.first, let last = positions.last,
      positions.count == last - first + 1
    else { return nil }
    inside = Interval(first, last)
  }

  /// The nearest one inside.
  func clamped(_ position: Expression) -> Expression {
    let low = Expression.binary(.maximum, position, .integer(inside.lower))
    return .binary(.minimum, low, .integer(inside.upper))
  }

  /// Whether the position is not in the padding; beyond the pixels that some result sees the answer does not matter.
  func contains(_ position: Expression) -> Expression {
    var answer = Expression.truth(true)
    if inside.lower > 0 {
      answer = .binary(.lessOrEqual, .integer(inside.lower), position)
    }
    if inside.upper < count - 1 {
      answer = .binary(.and, answer, .binary(.lessOrEqual, position, .integer(inside.upper)))
    }
    return answer
  }
}
