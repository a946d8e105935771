import LoopIR

/// A dimension over which a window slides: a position, and the number of a tap of which some multiple is only ever added
/// to it.
struct SlidingAxis {
  let position: String
  let tap: String
  /// Positions from one tap to the next.
  var step = 1

  /// Taps are no further apart than that.
  private static let widestStep = 32

  init(position: String, tap: String) {
    (self.position, self.tap) = (position, tap)
  }

  /// With the step for which the expression is a function of the position moved by taps, or 1 where there is none.
  init(position: String, tap: String, of expression: Expression) {
    self.init(position: position, tap: tap)
    step =
      (1...Self.widestStep).first { step in
        var axis = self
        axis.step = step
        return axis.collapsed(expression) != nil
      } ?? 1
  }

  /// The expression at tap 0; nil where it is no function of position + step * tap.
  func collapsed(_ expression: Expression) -> Expression? {
    let start = expression.substituting(tap, with: .integer(0))
    let moved = start.substituting(
      position, with: .variable(position) + .variable(tap) * .integer(step))
    let indices: Set<String> = [position, tap]
    guard
      moved.simplified(indices: indices) == expression.simplified(indices: indices)
    else { return nil }
    return start
  }

  /// The condition at tap 0, where it looks at nothing else and holds on an interval of positions, if anywhere.
  func interval(_ condition: Expression) -> Expression? {
    guard condition.variablesUsed.isSubset(of: [position, tap]),
      let collapsed = collapsed(condition), case .binary(let op, let a, let b) = collapsed,
      op == .less || op == .lessOrEqual
    else { return nil }
    // One side grows steadily.
    let next = (b - a).substituting(position, with: .variable(position) + .integer(1))
    guard case .integer = (next - (b - a)).simplifiedIndex() else { return nil }
    return collapsed
  }
}
