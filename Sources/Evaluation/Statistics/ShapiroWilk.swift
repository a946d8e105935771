import Diagnostics
import Foundation

/// The test of Shapiro and Wilk for normality, for 3 to 5000 values.
///
/// Source: Royston 1995, algorithm AS R94, Applied Statistics 44:547.
public struct ShapiroWilk: Sendable, Equatable, Codable {
  public let w: Double
  public let p: Double

  public static let sizes = 3...5000

  /// Throws where there are too few or too many values, or all are equal.
  public init(_ values: [Double]) throws(Diagnostic) {
    guard Self.sizes.contains(values.count) else {
      throw Diagnostic(
        "the test of Shapiro and Wilk takes 3 to 5000 values, not \(values.count)")
    }
    let lack = Self.lack(try Sample.standardized(values))
    w = 1 - lack
    p = Self.significance(lack, count: values.count)
  }

  /// The weights of the lower half of the order statistics, from the outermost on; the upper half's are the negatives.
  private static func weights(_ count: Int) -> [Double] {
    guard count > 3 else { return [-0.5.squareRoot()] }
    let scores = (1...count / 2).map {
      Normal.quantile((Double($0) - 0.375) / (Double(count) + 0.25))
    }
    let power = 2 * scores.reduce(0) { $0 + $1 * $1 }
    let u = 1 / Double(count).squareRoot()
    let corrections = [
      [0, 0.221157, -0.147981, -2.07119, 4.434685, -2.706056],
      [0, 0.042981, -0.293762, -1.752461, 5.682633, -3.582633],
    ]
    let outer = corrections.prefix(count > 5 ? 2 : 1).enumerated().map { place, coefficients in
      scores[place] / power.squareRoot() - polynomial(coefficients, u)
    }
    let rest = power - 2 * scores.prefix(outer.count).reduce(0) { $0 + $1 * $1 }
    let scale = (rest / (1 - 2 * outer.reduce(0) { $0 + $1 * $1 })).squareRoot()
    return outer + scores.dropFirst(outer.count).map { $0 / scale }
  }

  /// 1 - W, without the cancellation of W near 1.
  private static func lack(_ sorted: [Double]) -> Double {
    let count = sorted.count
    let half = weights(count)
    let middle = count % 2 == 1 ? [0.0] : []
    let all = half + middle + half.reversed().map { -$0 }
    let meanX = sorted.reduce(0, +) / Double(count)
    let meanA = all.reduce(0, +) / Double(count)
    var (aa, xx, ax) = (0.0, 0.0, 0.0)
    for (x, a) in zip(sorted, all) {
      aa += (a - meanA) * (a - meanA)
      xx += (x - meanX) * (x - meanX)
      ax += (a - meanA) * (x - meanX)
    }
    let norm = (aa * xx).squareRoot()
    return (norm - ax) * (norm + ax) / (aa * xx)
  }

  private static func significance(_ lack: Double, count: Int) -> Double {
    if count == 3 {
      let angle = asin((1 - lack).squareRoot()) - asin(0.75.squareRoot())
      return max(0, 6 / Double.pi * angle)
    }
    let (n, y) = (Double(count), log(lack))
    if count <= 11 {
      let limit = polynomial([-2.273, 0.459], n)
      guard y < limit else { return 1e-99 }
      let mean = polynomial([0.544, -0.39978, 0.025054, -6.714e-4], n)
      let deviation = exp(polynomial([1.3822, -0.77857, 0.062767, -0.0020322], n))
      return Normal.upperTail((-log(limit - y) - mean) / deviation)
    }
    let mean = polynomial([-1.5861, -0.31082, -0.083751, 0.0038915], log(n))
    let deviation = exp(polynomial([-0.4803, -0.082676, 0.0030302], log(n)))
    return Normal.upperTail((y - mean) / deviation)
  }

  private static func polynomial(_ coefficients: [Double], _ x: Double) -> Double {
    coefficients.reversed().reduce(0) { $0 * x + $1 }
  }
}

/// What the tests of a sample's distribution have in common.
enum Sample {
  /// Sorted, less the middle value, over the range: so that no magnitude of values under- or overflows on the way.
  ///
  /// Throws where all values are equal.
  static func standardized(_ values: [Double]) throws(Diagnostic) -> [Double] {
    let largest = values.reduce(0) { max($0, $1.magnitude) }
    let sorted = values.map { largest > 1 ? $0 / 4 : $0 }.sorted()
    guard let low = sorted.first, let high = sorted.last, low < high else {
      throw Diagnostic("all values are equal, so that no test of their distribution is possible")
    }
    let middle = sorted[sorted.count / 2]
    return sorted.map { ($0 - middle) / (high - low) }
  }
}
