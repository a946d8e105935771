/// `c + a·x + b·y + ...` over index expressions x, y that are not sums themselves.
///
/// Built by `Simplifier`; no operation overflows: it yields nil instead.
struct Affine {
  var constant = 0
  /// No coefficient is zero.
  private(set) var terms: [Expression: Int] = [:]

  init(constant: Int) { self.constant = constant }

  init(_ atom: Expression) { terms[atom] = 1 }

  /// Terms in the order of their texts: variables sort by name, and equal sums get equal expressions.
  private var ordered: [(atom: Expression, factor: Int)] {
    terms.map { (text: LoopPrinter.text($0.key), atom: $0.key, factor: $0.value) }
      .sorted { $0.text < $1.text }
      .map { ($0.atom, $0.factor) }
  }

  var isConstant: Bool { terms.isEmpty }

  /// self + factor · other.
  func adding(_ other: Affine, times factor: Int = 1) -> Affine? {
    var sum = self
    guard let constant = Self.multiplyAdd(other.constant, factor, constant) else { return nil }
    sum.constant = constant
    for (atom, coefficient) in other.terms {
      guard let total = Self.multiplyAdd(coefficient, factor, terms[atom] ?? 0) else { return nil }
      sum.terms[atom] = total == 0 ? nil : total
    }
    return sum
  }

  private static func multiplyAdd(_ a: Int, _ b: Int, _ c: Int) -> Int? {
    let (product, productOverflow) = a.multipliedReportingOverflow(by: b)
    let (sum, sumOverflow) = product.addingReportingOverflow(c)
    // The smallest integer has no negative and no text, so it counts as an overflow too.
    return productOverflow || sumOverflow || sum == Int.min ? nil : sum
  }

  /// Splits into divisor · quotient + rest, where the rest has no multiple of the divisor and its constant is
  /// in 0 ..< divisor; requires a positive divisor.
  func split(by divisor: Int) -> (quotient: Affine, rest: Affine) {
    var quotient = Affine(constant: constant.flooringQuotient(divisor))
    var rest = Affine(constant: constant.flooringRemainder(divisor))
    for (atom, factor) in terms {
      if factor % divisor == 0 {
        quotient.terms[atom] = factor / divisor
      } else {
        rest.terms[atom] = factor
      }
    }
    return (quotient, rest)
  }

  /// Added terms first, then subtracted ones, then the constant.
  var expression: Expression {
    var sum: Expression?
    var constant = constant
    let terms = ordered
    func scaled(_ atom: Expression, _ factor: Int) -> Expression {
      factor == 1 ? atom : atom * .integer(factor)
    }
    for (atom, factor) in terms where factor > 0 {
      let term = scaled(atom, factor)
      sum = sum.map { $0 + term } ?? term
    }
    if sum == nil, constant > 0 {
      sum = .integer(constant)
      constant = 0
    }
    for (atom, factor) in terms where factor < 0 {
      if let total = sum {
        sum = total - scaled(atom, -factor)
      } else {
        sum = factor == -1 ? .unary(.negate, atom) : scaled(atom, factor)
      }
    }
    guard let sum else { return .integer(constant) }
    if constant == 0 { return sum }
    return constant > 0 ? sum + .integer(constant) : sum - .integer(-constant)
  }
}
