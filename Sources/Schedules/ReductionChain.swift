import LoopIR

/// The loops of a reduction, ready to be put around a tile.
///
/// Conditions that do not look at the tile become bounds of the loop around them (so that padding above and below
/// an image costs nothing); the others go inside the tile's loops, where constants often decide them.
struct ReductionChain {
  private struct Level {
    var loop: LoopNest.Dimension
    var lower: Expression
    var upper: Expression
    var kind: LoopKind
    /// Conditions that could not become bounds.
    var conditions: [Expression] = []
  }

  private var levels: [Level] = []
  private(set) var innerConditions: [Expression] = []
  private var newNames: [String: String] = [:]

  init(_ nest: ReductionNest, inner tileVariables: Set<String>, unrollLimit: Int) {
    for step in nest.steps {
      switch step {
      case .loop(let dimension):
        levels.append(
          Level(
            loop: dimension, lower: .integer(0), upper: .integer(dimension.extent), kind: .serial))
      case .condition(let condition):
        add(condition, tileVariables)
      }
    }
    for position in levels.indices.dropLast() where levels[position].loop.extent <= unrollLimit {
      let isConstant =
        levels[position].lower == .integer(0)
        && levels[position].upper == .integer(levels[position].loop.extent)
      if isConstant { levels[position].kind = .unrolled }
    }
  }

  private mutating func add(_ condition: Expression, _ tileVariables: Set<String>) {
    guard condition.variablesUsed.isDisjoint(with: tileVariables) else {
      innerConditions.append(condition)
      return
    }
    guard var level = levels.popLast() else {
      innerConditions.append(condition)
      return
    }
    if !Self.narrow(&level, by: condition) { level.conditions.append(condition) }
    levels.append(level)
  }

  /// Turns `0 <= v + a` or `v + a < b` into a bound of the loop over v.
  private static func narrow(_ level: inout Level, by condition: Expression) -> Bool {
    guard case .binary(let op, let left, let right) = condition else { return false }
    let variable = level.loop.name
    func offset(_ side: Expression) -> Expression? {
      let rest = side.substituting(variable, with: .integer(0))
      guard (side - rest).simplifiedIndex() == .variable(variable) else { return nil }
      return rest
    }
    switch op {
    case .lessOrEqual:
      guard left == .integer(0), let rest = offset(right) else { return false }
      level.lower = .binary(.maximum, level.lower, .integer(0) - rest)
    case .less:
      guard !right.variablesUsed.contains(variable), let rest = offset(left) else { return false }
      level.upper = .binary(.minimum, level.upper, right - rest)
    default: return false
    }
    return true
  }

  /// Gives the loops fresh names.
  mutating func rename(_ names: inout NameSupply) {
    for level in levels { newNames[level.loop.name] = names.fresh(level.loop.name) }
    innerConditions = innerConditions.map(renamed)
  }

  /// What a reduction's loop variable is called now.
  func name(of variable: String) -> String { newNames[variable] ?? variable }

  func renamed(_ expression: Expression) -> Expression { expression.renaming(newNames) }

  /// The innermost loop whose inner loops have so many iterations together; nil where the whole sum is short.
  func blockLevel(atLeast count: Int) -> Int? {
    var products = 1
    for position in levels.indices.reversed() {
      if products >= count { return levels[position].loop.extent > 1 ? position : nil }
      products *= levels[position].loop.extent
    }
    return nil
  }

  /// The loops and conditions around `body`; what is inside the loop at `level` passes through `block`.
  func wrapped(
    _ body: [Statement], block: ([Statement]) -> [Statement] = { $0 }, at level: Int? = nil
  ) -> [Statement] {
    levels.indices.reversed().reduce(body) { inner, position in
      let current = levels[position]
      var inner = position == level ? block(inner) : inner
      for condition in current.conditions {
        inner = [.conditional(renamed(condition), then: inner, otherwise: [])]
      }
      return [
        .loop(
          Loop(
            name(of: current.loop.name), renamed(current.lower), renamed(current.upper),
            kind: current.kind, body: inner))
      ]
    }
  }
}
