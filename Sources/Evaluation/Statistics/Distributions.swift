import Foundation

/// The standard normal distribution.
public enum Normal {
  /// P(Z <= z).
  public static func cumulative(_ z: Double) -> Double { erfc(-z / 2.0.squareRoot()) / 2 }

  /// P(Z > z).
  public static func upperTail(_ z: Double) -> Double { erfc(z / 2.0.squareRoot()) / 2 }

  /// P(|Z| > |z|).
  public static func twoSided(_ z: Double) -> Double { erfc(abs(z) / 2.0.squareRoot()) }

  /// The z with `cumulative(z)` = p, for 0 < p < 1.
  ///
  /// Halley's method from equation 26.2.23 of Abramowitz and Stegun, which is right to 4.5e-4.
  public static func quantile(_ p: Double) -> Double {
    if p > 0.5 { return -quantile(1 - p) }
    let t = (-2 * log(p)).squareRoot()
    let above = 2.515517 + t * (0.802853 + t * 0.010328)
    let below = 1 + t * (1.432788 + t * (0.189269 + t * 0.001308))
    var z = above / below - t
    for _ in 0..<3 {
      let density = exp(-z * z / 2) / (2 * Double.pi).squareRoot()
      let step = (cumulative(z) - p) / density
      z -= step / (1 + z * step / 2)
    }
    return z
  }
}

/// The chi-squared distribution.
public enum ChiSquared {
  /// P(X > x) with a whole number of degrees of freedom, by the finite sums 26.4.4 and 26.4.5 of Abramowitz and Stegun.
  public static func upperTail(_ x: Double, degreesOfFreedom: Int) -> Double {
    guard x > 0 else { return 1 }
    let isOdd = degreesOfFreedom % 2 == 1
    var sum = isOdd ? erfc((x / 2).squareRoot()) : 0
    // x^(d/2 - 1) e^(-x/2) / gamma(d/2) of d = 1 or 2, then of d + 2.
    var term = isOdd ? (2 * x / Double.pi).squareRoot() * exp(-x / 2) : exp(-x / 2)
    for d in stride(from: isOdd ? 3 : 2, through: degreesOfFreedom, by: 2) {
      sum += term
      term *= x / Double(d)
    }
    return min(1, sum)
  }
}
