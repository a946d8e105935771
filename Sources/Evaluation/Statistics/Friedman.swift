import Diagnostics

/// Friedman's test of techniques that were all applied to the same blocks, and comparisons of their pairs.
///
/// Equal values of a block share their mean rank, and chi-squared is divided by 1 - sum(t^3 - t) / (n k (k^2 - 1)).
public struct Friedman: Sendable, Equatable {
  /// Two techniques by their places; z = |difference of mean ranks| / sqrt(k(k+1)/6n), after Dunn 1964.
  public struct Pair: Sendable, Equatable {
    public let first: Int
    public let second: Int
    public let z: Double
    /// Two-sided, from the normal distribution.
    public let p: Double
    /// Times the number of pairs, 1 at most.
    public let pBonferroni: Double
  }

  public let blocks: Int
  /// Mean rank of each technique; the smallest value has rank 1.
  public let meanRanks: [Double]
  public let chiSquared: Double
  public let p: Double
  /// Kendall's coefficient of concordance of the blocks, 0 to 1.
  public let kendallW: Double
  public let pairs: [Pair]

  public var degreesOfFreedom: Int { meanRanks.count - 1 }

  /// `values` are [block][technique].
  ///
  /// Throws with fewer than two blocks or techniques, values that are not finite, or where all values of each block
  /// are equal.
  public init(_ values: [[Double]]) throws(Diagnostic) {
    let techniques = values.first?.count ?? 0
    guard values.count >= 2, techniques >= 2, values.allSatisfy({ $0.count == techniques }) else {
      throw Diagnostic(
        "Friedman's test needs two blocks and two techniques at least, and a value of each "
          + "technique in each block")
    }
    guard values.allSatisfy({ $0.allSatisfy(\.isFinite) }) else {
      throw Diagnostic("Friedman's test needs finite values")
    }
    let ranks = values.map { Ranks($0) }
    let (n, k) = (Double(values.count), Double(techniques))
    let ties = ranks.reduce(0) { $0 + $1.tieTerm } / (n * k * (k * k - 1))
    guard ties < 1 else {
      throw Diagnostic("all values of each block are equal, so that there is nothing to test")
    }
    let means = (0..<techniques).map { place in ranks.reduce(0) { $0 + $1.values[place] } / n }
    let spread = means.reduce(0) { $0 + ($1 - (k + 1) / 2) * ($1 - (k + 1) / 2) }
    let statistic = 12 * n / (k * (k + 1)) * spread / (1 - ties)
    (blocks, meanRanks, chiSquared) = (values.count, means, statistic)
    p = ChiSquared.upperTail(statistic, degreesOfFreedom: techniques - 1)
    kendallW = statistic / (n * (k - 1))
    pairs = Self.compare(means, error: (k * (k + 1) / (6 * n)).squareRoot())
  }

  private static func compare(_ means: [Double], error: Double) -> [Pair] {
    let count = Double(means.count * (means.count - 1) / 2)
    return means.indices.flatMap { first in
      (first + 1..<means.count).map { second in
        let z = abs(means[first] - means[second]) / error
        let p = Normal.twoSided(z)
        return Pair(first: first, second: second, z: z, p: p, pBonferroni: min(1, p * count))
      }
    }
  }
}
