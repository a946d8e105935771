import ComplexModule
import Diagnostics
import RealModule
import Tensors

/// Virtual coils with equal, uncorrelated noise: k-space times L⁻¹, where L Lᴴ is the covariance of the coils' noise.
///
/// The covariance is scaled to a mean variance of one, so that values keep their order of magnitude.
///
/// Source: Pruessmann et al. 2001, MRM 46:638, "Advances in sensitivity encoding", on noise decorrelation.
struct NoiseWhitening {
  private let coils: Int
  /// L⁻¹, row-major; zero above the diagonal.
  private let matrix: [Complex<Double>]

  /// `noise`: the samples of each coil, measured together without a signal. Throws where they are too few or do not
  /// span all coils.
  init(noise: [[Complex<Double>]]) throws(Diagnostic) {
    let coils = noise.count
    var covariance = [Complex<Double>](repeating: .zero, count: coils * coils)
    for row in 0..<coils {
      for column in 0...row {
        covariance[row * coils + column] = zip(noise[row], noise[column])
          .reduce(.zero) { $0 + $1.0 * $1.1.conjugate }
      }
    }
    let mean = (0..<coils).reduce(0) { $0 + covariance[$1 * coils + $1].real } / Double(coils)
    let scaled = covariance.map { $0 / Complex(mean) }
    let samples = noise.first?.count ?? 0
    guard samples > coils, mean.isFinite, mean > 0,
      let solver = HermitianSolver(scaled, count: coils)
    else {
      throw Diagnostic(
        "the noise scan's \(samples) samples do not tell the noise of \(coils) coils apart",
        help: "read the scan without --prewhiten")
    }
    self.coils = coils
    matrix = solver.inverseFactor
  }

  /// Whitens [frame, coil, row, column].
  func apply(_ kSpace: Tensor<Complex<Float>>) throws(Diagnostic) -> Tensor<Complex<Float>> {
    var values = kSpace.values
    let plane = kSpace.shape[2] * kSpace.shape[3]
    for frame in 0..<kSpace.shape[0] {
      let start = frame * coils * plane
      // A virtual coil is a sum over the coils up to its own, so the last comes first.
      for coil in (0..<coils).reversed() {
        for point in start..<start + plane {
          var sum = Complex<Double>.zero
          for other in 0...coil {
            let value = values[point + other * plane]
            sum +=
              matrix[coil * coils + other] * Complex(Double(value.real), Double(value.imaginary))
          }
          values[point + coil * plane] = Complex<Float>(rounding: sum)
        }
      }
    }
    return try Tensor(kSpace.shape, values)
  }
}
