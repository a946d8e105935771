import ComplexModule
import Foundation
import RealModule
import Tensors

extension SplitMix64 {
  /// Uniform in (0, 1].
  mutating func uniform() -> Double { (Double(next() >> 11) + 1) * 0x1p-53 }

  /// Complex Gaussian with standard deviation 1 in each part (Box and Muller).
  mutating func complexGaussian() -> Complex<Double> {
    let radius = (-2 * log(uniform())).squareRoot()
    let angle = 2 * Double.pi * uniform()
    return Complex(radius * cos(angle), radius * sin(angle))
  }
}
