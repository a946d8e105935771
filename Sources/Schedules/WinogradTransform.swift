/// The matrices of Winograd's minimal filtering F(m, r): m outputs of a filter of r taps from m + r - 1 products.
///
/// For the polynomial points p and infinity, `y = Aᵀ ((G g) ⊙ (Bᵀ d))` (Winograd 1980; Lavin and Gray,
/// arXiv:1509.09308). With the Toom-Cook construction, row j of G evaluates the filter at p[j] and divides by
/// ∏ (p[j] - p[l]), row j of Bᵀ holds the coefficients of ∏ (z - p[l]) over l ≠ j, and column j of Aᵀ the powers of
/// p[j]; the last row or column belongs to infinity. All entries are exact.
struct WinogradTransform: Hashable, Sendable {
  /// Outputs of one tile along a dimension, m.
  let outputs: Int
  /// Taps of the filter, r: 3 or 5.
  let taps: Int
  /// m + r - 2 different points; an opposite pair shares its arithmetic.
  let points: [Fraction]

  /// As names of kernels have it: `4x4`, `4x4u` with the point -1, for upsampled images, and `2x2k5` for 5 taps.
  var label: String {
    let suffix = taps == 5 ? "k5" : outputs == 4 && points.contains(-1) ? "u" : ""
    return "\(outputs)x\(outputs)" + suffix
  }

  /// Inputs, and products, of one tile along a dimension: m + r - 1.
  var inputs: Int { outputs + taps - 1 }

  /// The transforms for 3 taps, smallest first.
  ///
  /// The points are binary fractions, so that entries of A and B are exact float32 numbers. For F(4) those of least
  /// error among pairs ±a, ±b of eighths: a third of the error of 0, ±1, ±2 (IR/decisions/0006). The third one has
  /// the point -1 and twice that error; with it products of upsampled images are zero (see `WinogradZeros`).
  static let all: [WinogradTransform] = [
    WinogradTransform(outputs: 2, points: [0, 1, -1]),
    WinogradTransform(outputs: 4, pairs: [Fraction(5, 8), Fraction(3, 2)]),
    WinogradTransform(outputs: 4, pairs: [1, Fraction(13, 8)]),
    WinogradTransform(outputs: 6, pairs: [Fraction(1, 2), 1, 2]),
  ]

  /// F(2, 5), by the points of F(4, 3): tiles of the same inputs.
  static let ofFiveTaps = WinogradTransform(
    outputs: 2, taps: 5, pairs: [Fraction(5, 8), Fraction(3, 2)])

  init(outputs: Int, taps: Int = 3, points: [Fraction]) {
    precondition(
      points.count == outputs + taps - 2, "F(m, r) has m + r - 2 points beside infinity")
    self.outputs = outputs
    self.taps = taps
    self.points = points
  }

  /// Zero and opposite pairs.
  private init(outputs: Int, taps: Int = 3, pairs: [Fraction]) {
    self.init(outputs: outputs, taps: taps, points: [0] + pairs.flatMap { [$0, -$0] })
  }

  /// Aᵀ, [m, m + r - 1].
  var outputMatrix: [[Fraction]] {
    (0..<outputs).map { row in
      points.map { $0.power(row) } + [row == outputs - 1 ? 1 : 0]
    }
  }

  /// G, [m + r - 1, r].
  var kernelMatrix: [[Fraction]] {
    points.indices.map { j in
      let scale = others(j).reduce(Fraction(1)) { $0 * (points[j] - $1) }
      return (0..<taps).map { points[j].power($0) / scale }
    } + [(0..<taps).map { $0 == taps - 1 ? 1 : 0 }]
  }

  /// Bᵀ, [m + r - 1, m + r - 1].
  var inputMatrix: [[Fraction]] {
    points.indices.map { Self.polynomial(others($0)) + [0] } + [Self.polynomial(points)]
  }

  private func others(_ j: Int) -> [Fraction] {
    points.indices.filter { $0 != j }.map { points[$0] }
  }

  /// Coefficients of ∏ (z - root), lowest power first.
  private static func polynomial(_ roots: [Fraction]) -> [Fraction] {
    roots.reduce([1]) { factors, root in
      zip([0] + factors, factors + [0]).map { higher, same in higher - root * same }
    }
  }
}

/// A quotient of small integers in lowest terms, with a positive denominator.
struct Fraction: Hashable, Sendable, ExpressibleByIntegerLiteral {
  let numerator: Int
  let denominator: Int

  /// Requires that the denominator is not zero.
  init(_ numerator: Int, _ denominator: Int = 1) {
    precondition(denominator != 0, "a fraction's denominator is not zero")
    var (a, b) = (abs(numerator), abs(denominator))
    while b != 0 { (a, b) = (b, a % b) }
    let divisor = denominator < 0 ? -max(a, 1) : max(a, 1)
    self.numerator = numerator / divisor
    self.denominator = denominator / divisor
  }

  init(integerLiteral value: Int) { self.init(value) }

  var value: Double { Double(numerator) / Double(denominator) }

  func power(_ exponent: Int) -> Fraction {
    (0..<exponent).reduce(Fraction(1)) { product, _ in product * self }
  }

  static prefix func - (a: Fraction) -> Fraction { Fraction(-a.numerator, a.denominator) }
  static func - (a: Fraction, b: Fraction) -> Fraction {
    Fraction(
      a.numerator * b.denominator - b.numerator * a.denominator, a.denominator * b.denominator)
  }
  static func * (a: Fraction, b: Fraction) -> Fraction {
    Fraction(a.numerator * b.numerator, a.denominator * b.denominator)
  }
  static func / (a: Fraction, b: Fraction) -> Fraction {
    Fraction(a.numerator * b.denominator, a.denominator * b.numerator)
  }
}
