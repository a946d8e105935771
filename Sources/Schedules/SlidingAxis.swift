import LoopIR

/// A dimension over which a window slides: a position, and the number of a tap that is only ever added to it.
struct SlidingAxis {
  let position: String
  let tap: String

  /// The expression at tap 0; nil where it is no function of position + tap.
  func collapsed(_ expression: Expression) -> Expression? {
    let start = expression.substituting(tap, with: .integer(0))
    let moved = start.substituting(position, with: .variable(position) + .variable(tap))
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
