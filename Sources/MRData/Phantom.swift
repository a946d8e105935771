import ComplexModule
import Diagnostics
import Foundation
import RealModule
import Tensors

/// A beating heart in a thorax, made of ellipses whose k-space is known in closed form.
///
/// Sampled k-space is exact and band-limited, so images show the truncation (Gibbs) ripples that scans have, and
/// nothing is reconstructed with the grid it was drawn on.
public struct Phantom: Sendable {
  public var frames = 20
  /// The k-space matrix; 192 x 128 pixels about its centre hold the body at the default.
  public var rows = 256
  public var columns = 160
  /// Standard deviation of the noise in the real and in the imaginary part, where blood has signal 0.95.
  public var noise = 0.0
  /// Images of more would not stay within float32.
  public static let noises = 0...1e6
  public var seed: UInt64 = 1

  public init() {}

  /// K-space of all frames, one coil-combined channel, with a smooth phase.
  ///
  /// Throws for matrices or frame counts that are not in 8...4,096 and 1...10,000, and noise that is not in `noises`.
  public func kSpace() throws(Diagnostic) -> KSpace {
    let range = 8...4096
    guard range.contains(rows), range.contains(columns), (1...10_000).contains(frames),
      Self.noises.contains(noise)
    else {
      throw Diagnostic(
        "a phantom of \(frames) frames of \(rows) x \(columns) with noise \(noise) cannot be made",
        help: "use 1 to 10000 frames of 8 to 4096 rows and columns, and noise of 0 to 1e6")
    }
    let shape = try Shape([frames, 1, rows, columns])
    var values: [Complex<Float>] = []
    values.reserveCapacity(shape.elementCount)
    var random = SplitMix64(seed: seed)
    // What does not move is transformed once.
    let body = spectrum(PhantomAnatomy(scale: scale).body)
    for frame in 0..<frames {
      let heart = spectrum(ellipses(ofHeartIn: frame))
      let sum = zip(body, heart).map { $0 + $1 }
      for var value in phased(sum) {
        if noise > 0 { value += random.complexGaussian() * Complex(noise, 0) }
        values.append(Complex(Float(value.real), Float(value.imaginary)))
      }
    }
    return try KSpace(try Tensor(shape, values))
  }

  /// Writes `kspace` complex64 [frame, row, column] to an .npz file.
  public func write(to path: String) throws(Diagnostic) {
    let values = try kSpace().values
    let array = try values.reshaped(try Shape([frames, rows, columns]))
    try NpzFile.write([("kspace", .complex64(array))], to: path)
  }

  /// The signal of one frame at a place in pixels from the centre, without phase and noise.
  func signal(frame: Int, row: Double, column: Double) -> Double {
    let all = PhantomAnatomy(scale: scale).body + ellipses(ofHeartIn: frame)
    return all.reduce(0) { $0 + ($1.contains(row: row, column: column) ? $1.signal : 0) }
  }

  private var scale: Double { min(Double(rows) / 256, Double(columns) / 160) }

  private func ellipses(ofHeartIn frame: Int) -> [Ellipse] {
    PhantomAnatomy(scale: scale).heart(at: Double(frame) / Double(frames))
  }

  /// Jacobi-Anger orders kept on each side: J9(0.9) is below 1e-8.
  private static let orders = 8
  private static let rowPhase = (amplitude: 0.9, start: 0.4)
  private static let columnPhase = (amplitude: 0.7, start: -0.8)

  private var wideColumns: Int { columns + 2 * Self.orders }

  /// The sum of the ellipses' transforms on the k-space grid, `orders` points wider on each side, so scaled that the
  /// orthonormal inverse transform gives the signal.
  private func spectrum(_ ellipses: [Ellipse]) -> [Complex<Double>] {
    let scale = Complex(1 / Double(rows * columns).squareRoot(), 0)
    var values: [Complex<Double>] = []
    for row in -Self.orders..<rows + Self.orders {
      for column in -Self.orders..<columns + Self.orders {
        var sum = Complex<Double>.zero
        for ellipse in ellipses {
          sum += ellipse.transform(
            rowFrequency: Double(row - rows / 2) / Double(rows),
            columnFrequency: Double(column - columns / 2) / Double(columns))
        }
        values.append(sum * scale)
      }
    }
    return values
  }

  /// Gives the image the phase a sin(2 pi r / rows + s) + b sin(2 pi c / columns + t).
  ///
  /// exp(i a sin x) = sum of J_n(a) exp(i n x): each order is the spectrum moved by n points, so the phase is exact
  /// without leaving k-space.
  private func phased(_ wide: [Complex<Double>]) -> [Complex<Double>] {
    let rowKernel = Self.kernel(Self.rowPhase.amplitude, Self.rowPhase.start)
    let columnKernel = Self.kernel(Self.columnPhase.amplitude, Self.columnPhase.start)
    let count = 2 * Self.orders + 1
    // Columns first, on all rows of the wide grid; index j of a kernel is order orders - j.
    var narrow = [Complex<Double>](repeating: .zero, count: (rows + count - 1) * columns)
    for row in 0..<rows + count - 1 {
      for column in 0..<columns {
        var sum = Complex<Double>.zero
        for tap in 0..<count { sum += columnKernel[tap] * wide[row * wideColumns + column + tap] }
        narrow[row * columns + column] = sum
      }
    }
    var result = [Complex<Double>](repeating: .zero, count: rows * columns)
    for row in 0..<rows {
      for tap in 0..<count {
        for column in 0..<columns {
          result[row * columns + column] += rowKernel[tap] * narrow[(row + tap) * columns + column]
        }
      }
    }
    return result
  }

  /// J_n(a) exp(i n s) for n from `orders` down: order n takes the point n before, which is tap `orders` - n.
  private static func kernel(_ amplitude: Double, _ start: Double) -> [Complex<Double>] {
    (0...2 * orders).map { tap in
      let order = orders - tap
      let size = jn(Int32(order), amplitude)
      return Complex(size * cos(Double(order) * start), size * sin(Double(order) * start))
    }
  }
}
