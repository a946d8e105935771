import CFFTW
import ComplexModule
import Diagnostics
import RealModule
import Synchronization
import Tensors

/// Centred orthonormal Fourier transforms over the last two dimensions, by FFTW in float64.
///
/// Centred: index n/2 holds zero frequency in k-space and the origin in the image. Orthonormal: each direction divides
/// by the root of the number of points, so that norms and noise levels are kept.
public enum Fourier {
  /// Image to k-space; throws where the tensor has fewer than two dimensions or an extent past FFTW's.
  public static func forward(
    _ images: Tensor<Complex<Double>>
  ) throws(Diagnostic) -> Tensor<Complex<Double>> {
    try transform(images, FFTW_FORWARD)
  }

  /// K-space to image; throws as `forward` does.
  public static func inverse(
    _ kSpace: Tensor<Complex<Double>>
  ) throws(Diagnostic) -> Tensor<Complex<Double>> {
    try transform(kSpace, FFTW_BACKWARD)
  }

  /// K-space to image along the first `count` planes of a tensor, whose dimensions after the first lie inside them.
  static func inverse(
    _ kSpace: Tensor<Complex<Float>>, alongFirstOf count: Int
  ) throws(Diagnostic) -> Tensor<Complex<Float>> {
    let inner = kSpace.shape.elementCount / count
    let planes = try kSpace.reshaped(try Shape([count, inner])).permuted([1, 0])
    let lines = try planes.map { Complex(Double($0.real), Double($0.imaginary)) }
      .reshaped(try Shape([inner, count, 1]))
    let images = try inverse(lines).map(Complex<Float>.init(rounding:))
    return try images.reshaped(try Shape([inner, count])).permuted([1, 0]).reshaped(kSpace.shape)
  }

  private static func transform(
    _ input: Tensor<Complex<Double>>, _ direction: Int32
  ) throws(Diagnostic) -> Tensor<Complex<Double>> {
    let rank = input.shape.rank
    guard rank >= 2 else {
      throw Diagnostic("a 2-D Fourier transform needs rows and columns, not \(input.shape)")
    }
    let (rows, columns) = (input.shape[rank - 2], input.shape[rank - 1])
    let plan = try FourierPlan(rows: rows, columns: columns, direction: direction)
    var output = input
    for start in stride(from: 0, to: input.shape.elementCount, by: rows * columns) {
      plan.execute(&output.values, at: start)
    }
    return output
  }
}

/// FFTW's planner is not thread-safe; its execution is.
private let planner = Mutex<Void>(())

/// Owns an FFTW plan and the aligned buffer that it works in.
private struct FourierPlan: ~Copyable {
  private let rows: Int
  private let columns: Int
  private let buffer: UnsafeMutablePointer<fftw_complex>
  private let plan: fftw_plan

  /// Planned by rule (FFTW_ESTIMATE), not by timing, so that equal input gives equal bits.
  init(rows: Int, columns: Int, direction: Int32) throws(Diagnostic) {
    guard let rowCount = Int32(exactly: rows), let columnCount = Int32(exactly: columns),
      let buffer = fftw_alloc_complex(rows * columns)
    else { throw Diagnostic("a matrix of \(rows) x \(columns) is too large to transform") }
    let plan = planner.withLock { _ in
      FourierPlanHandle(
        plan: fftw_plan_dft_2d(rowCount, columnCount, buffer, buffer, direction, FFTW_ESTIMATE))
    }.plan
    guard let plan else {
      fftw_free(buffer)
      throw Diagnostic("FFTW has no plan for a matrix of \(rows) x \(columns)")
    }
    self.rows = rows
    self.columns = columns
    self.buffer = buffer
    self.plan = plan
  }

  deinit {
    let handle = FourierPlanHandle(plan: plan)
    planner.withLock { _ in fftw_destroy_plan(handle.plan) }
    fftw_free(buffer)
  }

  /// Transforms the `rows` x `columns` values from `start` on, in place.
  func execute(_ values: inout [Complex<Double>], at start: Int) {
    // Index n/2 moves to 0 before the transform, and index 0 to n/2 after it.
    for row in 0..<rows {
      let source = (row + rows / 2) % rows
      for column in 0..<columns {
        let value = values[start + source * columns + (column + columns / 2) % columns]
        buffer[row * columns + column] = (value.real, value.imaginary)
      }
    }
    fftw_execute(plan)
    let scale = 1 / Double(rows * columns).squareRoot()
    for row in 0..<rows {
      let target = (row + rows / 2) % rows
      for column in 0..<columns {
        let (real, imaginary) = buffer[row * columns + column]
        values[start + target * columns + (column + columns / 2) % columns] =
          Complex(real * scale, imaginary * scale)
      }
    }
  }
}

/// Lets a plan leave the planner's lock; one plan is used by one thread.
private struct FourierPlanHandle: @unchecked Sendable {
  let plan: fftw_plan?
}
