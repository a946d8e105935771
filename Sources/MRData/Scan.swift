import ComplexModule
import Diagnostics
import RealModule
import Tensors

/// A series of MR frames: k-space as it was measured, or magnitude images.
public struct Scan: Sendable {
  public enum Content: Sendable {
    /// [frame, row, column], not negative, in the scanner's units.
    case images(Tensor<Float>)
    case kSpace(KSpace)
  }

  public let content: Content
  public let path: String
  /// The array's name in its file, where the file has names.
  public let arrayName: String?
  /// What the dimensions of the file's array are.
  public let axes: [Axis]
  /// The extents of the file's array.
  public let fileShape: Shape

  public var frames: Int {
    switch content {
    case .images(let images): return images.shape[0]
    case .kSpace(let kSpace): return kSpace.frames
    }
  }

  public var coils: Int {
    switch content {
    case .images: return 1
    case .kSpace(let kSpace): return kSpace.coils
    }
  }

  public var rows: Int {
    switch content {
    case .images(let images): return images.shape[1]
    case .kSpace(let kSpace): return kSpace.rows
    }
  }

  public var columns: Int {
    switch content {
    case .images(let images): return images.shape[2]
    case .kSpace(let kSpace): return kSpace.columns
    }
  }

  public var isMagnitude: Bool {
    if case .images = content { return true }
    return false
  }

  /// The k-space of one frame, [coil, row, column]; that of a magnitude image is its centred transform.
  public func kSpace(frame: Int) throws(Diagnostic) -> Tensor<Complex<Double>> {
    switch content {
    case .kSpace(let kSpace): return try kSpace.frame(frame)
    case .images(let images):
      let size = rows * columns
      let values = images.values[frame * size..<(frame + 1) * size].map { Complex(Double($0), 0) }
      return try Fourier.forward(try Tensor(try Shape([1, rows, columns]), values))
    }
  }

  /// Whether the scan itself can be the reference: inside the box that holds all measured points of the first frame,
  /// at most a quarter of the points is exactly zero. (Twofold regular sampling with a full centre leaves more out;
  /// cut corners and zero-padded borders leave less.)
  public var isFullySampled: Bool {
    guard case .kSpace(let kSpace) = content else { return true }
    var (top, bottom, left, right) = (rows, -1, columns, -1)
    var measured = 0
    for row in 0..<rows {
      for column in 0..<columns where kSpace.values.values[row * columns + column] != .zero {
        (top, bottom) = (min(top, row), max(bottom, row))
        (left, right) = (min(left, column), max(right, column))
        measured += 1
      }
    }
    guard measured > 0 else { return false }
    return 4 * measured >= 3 * (bottom - top + 1) * (right - left + 1)
  }
}
