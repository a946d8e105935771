/// The integers from `lower` to `upper`, both included.
public struct Interval: Hashable, Sendable {
  public var lower: Int
  public var upper: Int

  /// Requires `lower <= upper`.
  public init(_ lower: Int, _ upper: Int) {
    precondition(lower <= upper, "an interval holds at least one integer")
    self.lower = lower
    self.upper = upper
  }

  public init(_ value: Int) { self.init(value, value) }

  /// The values of a loop's variable, or nil where the loop is empty.
  public init?(_ range: Range<Int>) {
    if range.isEmpty { return nil }
    self.init(range.lowerBound, range.upperBound - 1)
  }

  /// The only integer, where there is just one.
  public var constant: Int? { lower == upper ? lower : nil }

  public func contains(_ value: Int) -> Bool { lower <= value && value <= upper }
  public func isWithin(_ range: Range<Int>) -> Bool {
    range.lowerBound <= lower && upper < range.upperBound
  }

  /// Whether no integer of the interval is in the range.
  public func isOutside(_ range: Range<Int>) -> Bool {
    upper < range.lowerBound || lower >= range.upperBound
  }

  public func union(_ other: Interval) -> Interval {
    Interval(min(lower, other.lower), max(upper, other.upper))
  }
}

// MARK: Arithmetic; nil where a bound does not fit or a divisor may be zero.

extension Interval {
  public func adding(_ other: Interval) -> Interval? {
    let (low, lowOverflow) = lower.addingReportingOverflow(other.lower)
    let (high, highOverflow) = upper.addingReportingOverflow(other.upper)
    return lowOverflow || highOverflow ? nil : Interval(low, high)
  }

  public func negated() -> Interval? {
    lower == Int.min ? nil : Interval(-upper, -lower)
  }

  public func multiplied(by other: Interval) -> Interval? {
    var products: [Int] = []
    for a in [lower, upper] {
      for b in [other.lower, other.upper] {
        let (product, overflow) = a.multipliedReportingOverflow(by: b)
        if overflow { return nil }
        products.append(product)
      }
    }
    return Interval(products.min() ?? 0, products.max() ?? 0)
  }

  /// Rounding towards minus infinity, by a divisor that is a positive constant.
  public func divided(by other: Interval) -> Interval? {
    guard let divisor = other.constant, divisor > 0 else { return nil }
    return Interval(lower.flooringQuotient(divisor), upper.flooringQuotient(divisor))
  }

  /// The remainder of `divided`: exact where all quotients agree, else all remainders.
  public func remainder(_ other: Interval) -> Interval? {
    guard let divisor = other.constant, divisor > 0 else { return nil }
    if lower.flooringQuotient(divisor) == upper.flooringQuotient(divisor) {
      return Interval(lower.flooringRemainder(divisor), upper.flooringRemainder(divisor))
    }
    return Interval(0, divisor - 1)
  }
}

extension Int {
  /// Quotient rounded towards minus infinity; requires a positive divisor.
  func flooringQuotient(_ divisor: Int) -> Int {
    let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? quotient - 1 : quotient
  }

  /// Between 0 and the divisor, without it; requires a positive divisor.
  func flooringRemainder(_ divisor: Int) -> Int {
    let remainder = self % divisor
    return remainder < 0 ? remainder + divisor : remainder
  }
}

// MARK: Expressions

extension Expression {
  /// Bounds of an index expression's values, given bounds of its variables; nil where they are not known.
  ///
  /// Terms are taken to be independent, so simplify the expression first for the tightest bounds.
  public func interval(_ ranges: [String: Interval]) -> Interval? {
    switch self {
    case .integer(let value): return Interval(value)
    case .variable(let name): return ranges[name]
    case .real, .load, .fma, .cast: return nil
    case .unary(let op, let operand):
      guard let range = operand.interval(ranges) else { return nil }
      switch op {
      case .negate: return range.negated()
      case .abs:
        guard let negated = range.negated() else { return nil }
        let high = max(range.upper, negated.upper)
        return Interval(range.contains(0) ? 0 : Swift.min(abs(range.lower), abs(range.upper)), high)
      case .sqrt, .exp, .log, .tanh, .erf, .sin, .cos, .atan, .floor, .round, .tf32,
        .tf32TowardsZero, .not:
        return nil
      }
    case .binary(let op, let a, let b):
      guard let left = a.interval(ranges), let right = b.interval(ranges) else { return nil }
      return Self.interval(op, left, right)
    case .select(let condition, let a, let b):
      switch condition.truth(ranges) {
      case true: return a.interval(ranges)
      case false: return b.interval(ranges)
      case nil:
        guard let left = a.interval(ranges), let right = b.interval(ranges) else { return nil }
        return left.union(right)
      }
    }
  }

  private static func interval(
    _ op: BinaryOperator, _ a: Interval, _ b: Interval
  ) -> Interval? {
    switch op {
    case .add: return a.adding(b)
    case .subtract: return b.negated().flatMap { a.adding($0) }
    case .multiply: return a.multiplied(by: b)
    case .divide: return a.divided(by: b)
    case .remainder: return a.remainder(b)
    case .minimum: return Interval(min(a.lower, b.lower), min(a.upper, b.upper))
    case .maximum: return Interval(max(a.lower, b.lower), max(a.upper, b.upper))
    case .less, .lessOrEqual, .equal, .and, .or: return nil
    }
  }

  /// The value of a boolean expression where it is the same for all values of the variables, else nil.
  public func truth(_ ranges: [String: Interval]) -> Bool? {
    switch self {
    case .unary(.not, let operand):
      return operand.truth(ranges).map { !$0 }
    case .binary(.and, let a, let b):
      let (left, right) = (a.truth(ranges), b.truth(ranges))
      if left == false || right == false { return false }
      return left == true && right == true ? true : nil
    case .binary(.or, let a, let b):
      let (left, right) = (a.truth(ranges), b.truth(ranges))
      if left == true || right == true { return true }
      return left == false && right == false ? false : nil
    case .binary(let op, let a, let b) where op.isComparison:
      guard let left = a.interval(ranges), let right = b.interval(ranges) else { return nil }
      return op.truth(left, right)
    default: return nil
    }
  }
}

extension BinaryOperator {
  /// Whether a comparison holds for all, or for no values of its sides.
  fileprivate func truth(_ a: Interval, _ b: Interval) -> Bool? {
    switch self {
    case .less:
      if a.upper < b.lower { return true }
      return a.lower >= b.upper ? false : nil
    case .lessOrEqual:
      if a.upper <= b.lower { return true }
      return a.lower > b.upper ? false : nil
    case .equal:
      if let left = a.constant, left == b.constant { return true }
      return a.upper < b.lower || b.upper < a.lower ? false : nil
    default: return nil
    }
  }
}
