/// An index as a sum: constant + Σ coefficient·symbol + lane·step.
///
/// Symbols are index values that exist as instructions (loop variables and the like), numbered outermost first.
/// Kept in this form, addresses that differ by a constant share their arithmetic, unrolled indices fold to constants,
/// and the distance between the lanes of a vector is known. Arithmetic wraps like the machine's.
struct LinearIndex: Hashable {
  struct Term: Hashable {
    var symbol: Int
    var coefficient: Int
  }

  var constant: Int
  /// Sorted by symbol; no coefficient is 0.
  var terms: [Term] = []
  /// What one lane further adds; 0 outside vectorized loops.
  var lane = 0

  init(_ constant: Int) { self.constant = constant }

  init(symbol: Int) {
    constant = 0
    terms = [Term(symbol: symbol, coefficient: 1)]
  }

  /// The value, where no symbol and no lane takes part.
  var asConstant: Int? { terms.isEmpty && lane == 0 ? constant : nil }

  /// The part that only exists at run time.
  var symbolic: LinearIndex {
    var copy = self
    copy.constant = 0
    copy.lane = 0
    return copy
  }

  /// The value of the first lane.
  var firstLane: LinearIndex { at(lane: 0) }

  func at(lane number: Int) -> LinearIndex {
    var copy = self
    copy.constant &+= lane &* number
    copy.lane = 0
    return copy
  }

  static func + (a: LinearIndex, b: LinearIndex) -> LinearIndex { a.adding(b, times: 1) }
  static func - (a: LinearIndex, b: LinearIndex) -> LinearIndex { a.adding(b, times: -1) }

  static func * (a: LinearIndex, factor: Int) -> LinearIndex {
    LinearIndex(0).adding(a, times: factor)
  }

  /// self + factor·other, terms merged.
  func adding(_ other: LinearIndex, times factor: Int) -> LinearIndex {
    var sum = LinearIndex(constant &+ other.constant &* factor)
    sum.lane = lane &+ other.lane &* factor
    var mine = terms[...]
    var theirs = other.terms[...]
    while let term = mine.first ?? theirs.first {
      let symbol = min(mine.first?.symbol ?? term.symbol, theirs.first?.symbol ?? term.symbol)
      var coefficient = 0
      if mine.first?.symbol == symbol { coefficient = mine.removeFirst().coefficient }
      if theirs.first?.symbol == symbol {
        coefficient &+= theirs.removeFirst().coefficient &* factor
      }
      if coefficient != 0 { sum.terms.append(Term(symbol: symbol, coefficient: coefficient)) }
    }
    return sum
  }

  /// Splits into (quotient, rest) with self = divisor·quotient + rest, where the quotient takes all terms that divide.
  func split(by divisor: Int) -> (quotient: LinearIndex, rest: LinearIndex) {
    var quotient = LinearIndex(floorDivide(constant, divisor))
    var rest = LinearIndex(constant &- quotient.constant &* divisor)
    rest.lane = lane
    for term in terms {
      if term.coefficient % divisor == 0 {
        quotient.terms.append(Term(symbol: term.symbol, coefficient: term.coefficient / divisor))
      } else {
        rest.terms.append(term)
      }
    }
    return (quotient, rest)
  }

  /// The largest power of two, up to 64, that divides the byte offset of every value this can take.
  func provenAlignment(elementBytes: Int, base: Int) -> Int {
    var zeros = min(base, 64).trailingZeroBitCount
    for step in [constant] + terms.map(\.coefficient) {
      zeros = min(zeros, (step &* elementBytes).trailingZeroBitCount)
    }
    return 1 << zeros
  }
}

/// Division that rounds towards minus infinity; `divisor` is positive.
func floorDivide(_ a: Int, _ divisor: Int) -> Int {
  let quotient = a / divisor
  return a % divisor < 0 ? quotient - 1 : quotient
}

/// The remainder of `floorDivide`.
func floorRemainder(_ a: Int, _ divisor: Int) -> Int { a &- floorDivide(a, divisor) &* divisor }
