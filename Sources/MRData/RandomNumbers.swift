import ComplexModule
import Foundation
import RealModule

/// SplitMix64 (Steele, Lea, Flood 2014): a seeded stream that is the same on every machine.
struct RandomNumbers: Sendable {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// Uniform in (0, 1].
  mutating func uniform() -> Double { (Double(next() >> 11) + 1) * 0x1p-53 }

  /// Complex Gaussian with standard deviation 1 in each part (Box and Muller).
  mutating func complexGaussian() -> Complex<Double> {
    let radius = (-2 * log(uniform())).squareRoot()
    let angle = 2 * Double.pi * uniform()
    return Complex(radius * cos(angle), radius * sin(angle))
  }
}
