import Diagnostics
import Foundation

/// The test of Kolmogorov and Smirnov for normality with estimated mean and variance, after Lilliefors.
///
/// p comes from the formula of Dallal and Wilkinson 1986 (Am Stat 40:294), which holds to 0.1, and above that from
/// simulated critical values, linear between them; 0.99 stands for all that is greater.
public struct Lilliefors: Sendable, Equatable, Codable {
  public let d: Double
  public let p: Double

  public static let smallestSize = 4

  /// Throws where there are fewer than 4 values, or all are equal.
  public init(_ values: [Double]) throws(Diagnostic) {
    guard values.count >= Self.smallestSize else {
      throw Diagnostic("the test of Lilliefors takes 4 values at least, not \(values.count)")
    }
    d = Self.distance(try Sample.standardized(values))
    let approximate = Self.dallalWilkinson(d, count: values.count)
    p = approximate > 0.1 ? LillieforsTable.significance(d, count: values.count) : approximate
  }

  /// The greatest distance between the sample's distribution function and the fitted normal one.
  private static func distance(_ sorted: [Double]) -> Double {
    let count = Double(sorted.count)
    let mean = sorted.reduce(0, +) / count
    let variance = sorted.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (count - 1)
    var distance = 0.0
    for (place, value) in sorted.enumerated() {
      let expected = Normal.cumulative((value - mean) / variance.squareRoot())
      distance = max(distance, Double(place + 1) / count - expected)
      distance = max(distance, expected - Double(place) / count)
    }
    return distance
  }

  private static func dallalWilkinson(_ distance: Double, count: Int) -> Double {
    let n = Double(min(count, 100))
    let d = count > 100 ? distance * pow(Double(count) / 100, 0.49) : distance
    let square = -7.01256 * d * d * (n + 2.78019)
    let linear = 2.99587 * d * (n + 2.78019).squareRoot()
    return exp(square + linear - 0.122119 + 0.974598 / n.squareRoot() + 1.67997 / n)
  }
}
