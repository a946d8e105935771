import Diagnostics

/// Wilcoxon's signed-rank test of paired values, two-sided; pairs that are equal are left out (Wilcoxon 1945).
public struct Wilcoxon: Sendable, Equatable {
  /// The smaller of the rank sums of positive and negative differences.
  public let statistic: Double
  public let p: Double
  /// Pairs that differ.
  public let pairs: Int
  /// Of first - second, over all pairs.
  public let medianDifference: Double
  /// Whether p comes from the exact distribution of the signs, ties included, or from its normal limit.
  public let isExact: Bool

  /// Up to here the distribution is counted out.
  public static let largestExact = 50

  /// Throws where the samples differ in length or have fewer than 2 values, a difference is not finite, or all are zero.
  public init(_ first: [Double], _ second: [Double]) throws(Diagnostic) {
    guard first.count == second.count, first.count >= 2 else {
      throw Diagnostic(
        "paired samples need the same length of 2 at least, not \(first.count) and \(second.count)")
    }
    let all = zip(first, second).map { $0 - $1 }
    guard all.allSatisfy(\.isFinite) else {
      throw Diagnostic("the differences of paired samples must be finite")
    }
    let differences = all.filter { $0 != 0 }
    guard !differences.isEmpty else {
      throw Diagnostic("the samples are equal in every pair, so that there is nothing to test")
    }
    let ranks = Ranks(differences.map(abs))
    let positive = zip(ranks.values, differences).reduce(0) { $0 + ($1.1 > 0 ? $1.0 : 0) }
    let count = Double(differences.count)
    statistic = min(positive, count * (count + 1) / 2 - positive)
    (pairs, medianDifference) = (differences.count, Quartiles(all).median)
    isExact = differences.count <= Self.largestExact
    p = isExact ? Self.exact(statistic, ranks) : Self.limit(statistic, ranks)
  }

  /// 2 P(W <= statistic) over all signs, counted by dynamic programming over doubled ranks, which are whole.
  private static func exact(_ statistic: Double, _ ranks: Ranks) -> Double {
    let steps = ranks.values.map { Int(2 * $0) }
    var chances = [Double](repeating: 0, count: steps.reduce(0, +) + 1)
    chances[0] = 1
    var reach = 0
    for step in steps {
      reach += step
      for sum in stride(from: reach, through: 0, by: -1) {
        chances[sum] = (chances[sum] + (sum >= step ? chances[sum - step] : 0)) / 2
      }
    }
    return min(1, 2 * chances[0...Int(2 * statistic)].reduce(0, +))
  }

  /// With the variance corrected for ties, without correction for continuity.
  private static func limit(_ statistic: Double, _ ranks: Ranks) -> Double {
    let n = Double(ranks.values.count)
    let variance = n * (n + 1) * (2 * n + 1) / 24 - ranks.tieTerm / 48
    return Normal.twoSided((statistic - n * (n + 1) / 4) / variance.squareRoot())
  }
}
