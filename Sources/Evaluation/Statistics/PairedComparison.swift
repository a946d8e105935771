import Diagnostics

/// Wilcoxon's test of two named techniques among several.
public struct PairedComparison: Sendable, Equatable, Codable {
  public let a: String
  public let b: String
  /// The smaller rank sum.
  public let statistic: Double
  public let p: Double
  /// Times the number of pairs of techniques, 1 at most.
  public let pBonferroni: Double
  /// Of a - b.
  public let medianDifference: Double
  public let isExact: Bool

  enum CodingKeys: String, CodingKey {
    case a, b, statistic, p
    case pBonferroni = "p_bonferroni"
    case medianDifference = "median_difference"
    case isExact = "exact"
  }

  /// Two techniques, and their comparison or why there is none.
  typealias Outcome = (a: String, b: String, result: Result<PairedComparison, Diagnostic>)

  /// Every pair of samples [technique][block].
  ///
  /// Throws with fewer than two, where lengths differ, or where two samples are equal throughout.
  public static func all(
    names: [String], samples: [[Double]]
  ) throws(Diagnostic) -> [PairedComparison] {
    guard samples.count >= 2 else {
      throw Diagnostic("a comparison needs two techniques at least")
    }
    var pairs: [PairedComparison] = []
    for outcome in outcomes(names: names, samples: samples) {
      pairs.append(try outcome.result.get())
    }
    return pairs
  }

  /// The same, and for pairs that cannot be compared the reason.
  static func outcomes(names: [String], samples: [[Double]]) -> [Outcome] {
    let count = Double(samples.count * (samples.count - 1) / 2)
    var outcomes: [Outcome] = []
    for first in samples.indices {
      for second in samples.indices.dropFirst(first + 1) {
        let (a, b) = (names[first], names[second])
        do throws(Diagnostic) {
          let test = try Wilcoxon(samples[first], samples[second])
          let pair = PairedComparison(
            a: a, b: b, statistic: test.statistic, p: test.p,
            pBonferroni: min(1, test.p * count), medianDifference: test.medianDifference,
            isExact: test.isExact)
          outcomes.append((a, b, .success(pair)))
        } catch {
          outcomes.append((a, b, .failure(Diagnostic("\(a) and \(b): \(error.message)"))))
        }
      }
    }
    return outcomes
  }
}
