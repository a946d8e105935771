extension Expression {
  /// A shorter expression of the same value.
  ///
  /// Index sums become `x * a + y * b + c` in a fixed order; constants, conditions and selections whose outcome
  /// follows from `ranges` are folded. Floating-point arithmetic stays as written, to the bit. A sum of bare
  /// variables may be one of elements, so it is left alone unless one of them has a range or is among `indices`.
  public func simplified(
    _ ranges: [String: Interval] = [:], indices: Set<String> = []
  ) -> Expression {
    Simplifier(ranges: ranges, indices: indices).simplify(self)
  }

  /// The same for what is known to be an index, such as a bound.
  public func simplifiedIndex(_ ranges: [String: Interval] = [:]) -> Expression {
    Simplifier(ranges: ranges, indices: []).simplifyIndex(self)
  }

  /// The constant that a folded condition becomes: `0 == 0` or `0 == 1`.
  public static func truth(_ value: Bool) -> Expression {
    .binary(.equal, .integer(0), .integer(value ? 0 : 1))
  }
}

extension [Statement] {
  /// Simplifies all expressions with the ranges of the loops around them, resolves constant conditions, and
  /// drops loops and conditionals that do nothing.
  public func simplified() -> [Statement] {
    Simplifier(ranges: [:], indices: []).simplify(self)
  }
}

/// What is known of the variables in scope.
struct Simplifier {
  var ranges: [String: Interval]
  var indices: Set<String>

  func simplify(_ expression: Expression) -> Expression {
    if isIndex(expression) { return simplifyIndex(expression) }
    switch expression {
    case .load(let buffer, let indices): return .load(buffer, indices.map(simplifyIndex))
    case .select(let condition, let a, let b):
      let condition = simplify(condition)
      if let value = condition.truth([:]) { return simplify(value ? a : b) }
      return .select(condition, simplify(a), simplify(b))
    case .unary(.not, _), .binary(.and, _, _), .binary(.or, _, _):
      return simplifyLogic(expression.mapChildren(simplify))
    case .binary(let op, let a, let b) where op.isComparison && (isIndex(a) || isIndex(b)):
      return simplifyComparison(op, a, b)
    default: return expression.mapChildren(simplify)
    }
  }

  /// Whether some leaf tells that this is index arithmetic; in a verified kernel all leaves agree.
  private func isIndex(_ expression: Expression) -> Bool {
    switch expression {
    case .integer: return true
    case .variable(let name): return ranges[name] != nil || indices.contains(name)
    case .real, .load, .fma, .cast: return false
    case .unary(let op, let a): return (op == .negate || op == .abs) && isIndex(a)
    case .binary(let op, let a, let b):
      switch op {
      case .less, .lessOrEqual, .equal, .and, .or: return false
      default: return isIndex(a) || isIndex(b)
      }
    case .select(_, let a, let b): return isIndex(a) || isIndex(b)
    }
  }

  /// Operands are simplified already.
  private func simplifyLogic(_ expression: Expression) -> Expression {
    if let value = expression.truth([:]) { return .truth(value) }
    switch expression {
    case .unary(.not, .unary(.not, let inner)): return inner
    case .binary(let op, let a, let b):
      // One side cannot be decided; `true && b` and `false || b` are b.
      if a.truth([:]) != nil { return b }
      if b.truth([:]) != nil { return a }
      return a == b ? a : .binary(op, a, b)
    default: return expression
    }
  }

  /// Folds by the difference of the sides, in which common terms cancel: x < x + 1.
  private func simplifyComparison(
    _ op: BinaryOperator, _ a: Expression, _ b: Expression
  ) -> Expression {
    guard let left = affine(a), let right = affine(b) else { return .binary(op, a, b) }
    if let difference = left.adding(right, times: -1)?.expression,
      let value = Expression.binary(op, difference, .integer(0)).truth(ranges)
    {
      return .truth(value)
    }
    return .binary(op, left.expression, right.expression)
  }
}

// MARK: Index arithmetic

extension Simplifier {
  func simplifyIndex(_ expression: Expression) -> Expression {
    affine(expression)?.expression ?? expression
  }

  /// The sum that an index expression is; nil where a constant in it does not fit.
  private func affine(_ expression: Expression) -> Affine? {
    switch expression {
    case .integer(let value): return value == Int.min ? nil : Affine(constant: value)
    case .unary(.negate, let a):
      return affine(a).flatMap { Affine(constant: 0).adding($0, times: -1) }
    case .binary(.add, let a, let b):
      guard let left = affine(a), let right = affine(b) else { return nil }
      return left.adding(right)
    case .binary(.subtract, let a, let b):
      guard let left = affine(a), let right = affine(b) else { return nil }
      return left.adding(right, times: -1)
    case .binary(.multiply, let a, let b):
      guard let left = affine(a), let right = affine(b) else { return nil }
      if right.isConstant { return Affine(constant: 0).adding(left, times: right.constant) }
      if left.isConstant { return Affine(constant: 0).adding(right, times: left.constant) }
      return Affine(left.expression * right.expression)
    case .binary(.divide, let a, let b): return quotient(a, b)
    case .binary(.remainder, let a, let b): return remainder(a, b)
    case .binary(.minimum, let a, let b): return extremum(.minimum, a, b)
    case .binary(.maximum, let a, let b): return extremum(.maximum, a, b)
    case .select(let condition, let a, let b):
      let condition = simplify(condition)
      if let value = condition.truth([:]) { return affine(value ? a : b) }
      return Affine(.select(condition, simplifyIndex(a), simplifyIndex(b)))
    case .unary(.abs, let a):
      let inner = simplifyIndex(a)
      if let range = inner.interval(ranges) {
        if range.lower >= 0 { return affine(inner) }
        if range.upper <= 0 { return affine(.unary(.negate, inner)) }
      }
      return Affine(.unary(.abs, inner))
    default: return Affine(expression)
    }
  }

  /// (d·A + R) / d = A + R / d, and R / d is 0 where R is in 0 ..< d.
  private func quotient(_ a: Expression, _ b: Expression) -> Affine? {
    guard let dividend = affine(a), let divisor = affine(b) else { return nil }
    guard divisor.isConstant, divisor.constant > 0 else {
      return Affine(.binary(.divide, dividend.expression, divisor.expression))
    }
    let (whole, rest) = dividend.split(by: divisor.constant)
    let remaining = rest.expression
    if let range = remaining.interval(ranges)?.divided(by: Interval(divisor.constant)),
      let value = range.constant
    {
      return whole.adding(Affine(constant: value))
    }
    return whole.adding(Affine(.binary(.divide, remaining, divisor.expression)))
  }

  /// (d·A + R) mod d = R mod d, and that is R where R is in 0 ..< d.
  private func remainder(_ a: Expression, _ b: Expression) -> Affine? {
    guard let dividend = affine(a), let divisor = affine(b) else { return nil }
    guard divisor.isConstant, divisor.constant > 0 else {
      return Affine(.binary(.remainder, dividend.expression, divisor.expression))
    }
    let rest = dividend.split(by: divisor.constant).rest
    let remaining = rest.expression
    if let range = remaining.interval(ranges)?.divided(by: Interval(divisor.constant)),
      let quotient = range.constant
    {
      return rest.adding(Affine(constant: divisor.constant), times: -quotient)
    }
    return Affine(.binary(.remainder, remaining, divisor.expression))
  }

  private func extremum(_ op: BinaryOperator, _ a: Expression, _ b: Expression) -> Affine? {
    guard let left = affine(a), let right = affine(b),
      let difference = left.adding(right, times: -1)
    else { return nil }
    if let range = difference.expression.interval(ranges) {
      if range.upper <= 0 { return op == .minimum ? left : right }
      if range.lower >= 0 { return op == .minimum ? right : left }
    }
    return Affine(.binary(op, left.expression, right.expression))
  }
}

// MARK: Statements

extension Simplifier {
  func simplify(_ statements: [Statement]) -> [Statement] {
    var scope = self
    return statements.flatMap { scope.simplify($0) }
  }

  /// What remains of one statement; a `let` adds to what is known.
  private mutating func simplify(_ statement: Statement) -> [Statement] {
    switch statement {
    case .loop(let loop): return simplify(loop)
    case .bind(let name, let value):
      let value = simplify(value)
      if isIndex(value) {
        indices.insert(name)
        ranges[name] = value.interval(ranges)
      }
      return [.bind(name, value)]
    case .store(let buffer, let indices, let value):
      return [.store(buffer, indices.map(simplifyIndex), simplify(value))]
    case .conditional(let condition, let then, let otherwise):
      let condition = simplify(condition)
      if let value = condition.truth([:]) { return simplify(value ? then : otherwise) }
      let (first, second) = (simplify(then), simplify(otherwise))
      if first.isEmpty, second.isEmpty { return [] }
      return [.conditional(condition, then: first, otherwise: second)]
    case .block(let label, let body):
      let body = simplify(body)
      return body.isEmpty ? [] : [.block(label, body)]
    case .multiply(let product):
      return [
        .multiply(
          product.mapFragments { .init($0.buffer, $0.indices.map(simplifyIndex)) })
      ]
    case .warpGroup(let step):
      return [.warpGroup(step.mapProduct { $0.map({ $0 }, simplifyIndex) })]
    case .copy(let copy): return simplify(copy)
    case .loadMatrices(let load): return [.loadMatrices(simplify(load))]
    case .allocate, .barrier, .commitGroup, .waitGroup, .call: return [statement]
    }
  }

  /// The thread's number has no known range here: that of the target's buffer is not at hand.
  private func simplify(_ load: MatrixLoad) -> MatrixLoad {
    var inner = self
    inner.indices.insert(load.thread)
    return load.mapExpressions(inner.simplifyIndex)
  }

  /// A condition that holds is left out.
  private func simplify(_ copy: AsyncCopy) -> [Statement] {
    var copy = copy
    copy.indices = copy.indices.map(simplifyIndex)
    copy.source = simplify(copy.source)
    copy.condition = copy.condition.map(simplify)
    if copy.condition?.truth([:]) == true { copy.condition = nil }
    return [.copy(copy)]
  }

  private func simplify(_ loop: Loop) -> [Statement] {
    var loop = loop
    loop.lower = simplifyIndex(loop.lower)
    loop.upper = simplifyIndex(loop.upper)
    var inner = self
    inner.indices.insert(loop.variable)
    if let low = loop.lower.interval(ranges), let high = loop.upper.interval(ranges) {
      if low.lower >= high.upper { return [] }
      inner.ranges[loop.variable] = Interval(low.lower, high.upper - 1)
    }
    loop.body = inner.simplify(loop.body)
    return loop.body.isEmpty ? [] : [.loop(loop)]
  }
}
