import Diagnostics
import Tensors

/// Real images that are judged: [frame, channel, row, column] of finite values.
public struct ImageStack: Sendable {
  public let frames: Int
  public let channels: Int
  public let rows: Int
  public let columns: Int
  private var values: [Double]

  /// One image [row, column], a series [frame, row, column], or [N, C, H, W].
  ///
  /// Throws for other ranks, complex values, and values that are not finite.
  public init(_ tensor: AnyTensor, at place: SourceLocation? = nil) throws(Diagnostic) {
    let extents = tensor.shape.extents
    guard (2...4).contains(extents.count) else {
      throw Diagnostic(
        "images are [row, column], [frame, row, column] or [frame, channel, row, column], "
          + "but this array has the shape \(tensor.shape)", at: place)
    }
    frames = extents.count > 2 ? extents[0] : 1
    channels = extents.count > 3 ? extents[1] : 1
    (rows, columns) = (extents[extents.count - 2], extents[extents.count - 1])
    do { values = try tensor.doubles().values } catch { throw error.located(at: place) }
    if let bad = values.firstIndex(where: { !$0.isFinite }) {
      let pixel = bad % (rows * columns)
      throw Diagnostic(
        "the value of frame \(bad / (channels * rows * columns)), row \(pixel / columns), "
          + "column \(pixel % columns) is \(values[bad])", at: place,
        help: "images must be finite to be compared")
    }
  }

  /// One channel of a frame, rows x columns values.
  public func image(_ frame: Int, channel: Int) -> ArraySlice<Double> {
    let size = rows * columns
    let start = (frame * channels + channel) * size
    return values[start..<start + size]
  }

  /// All channels of a frame.
  public func frame(_ frame: Int) -> ArraySlice<Double> {
    let size = channels * rows * columns
    return values[frame * size..<(frame + 1) * size]
  }

  public var maximum: Double { values.max() ?? 0 }

  var largestMagnitude: Double { values.reduce(0) { max($0, $1.magnitude) } }

  /// In a unit in which squares of squares of numbers up to `largest` neither over- nor underflow: nothing but a power of
  /// two, so that rounding is the same, and 1 for all usual images.
  func inUnit(of largest: Double) -> (images: ImageStack, unit: Double) {
    if largest == 0 || (1e-60...1e60).contains(largest) { return (self, 1) }
    let exponent = min(max(-largest.exponent, -1000), 1000)
    let unit = Double(sign: .plus, exponent: exponent, significand: 1)
    var result = self
    result.values = values.map { $0 * unit }
    return (result, unit)
  }

  public var description: String {
    "\(frames) frames of \(channels == 1 ? "" : "\(channels) channels of ")\(rows)x\(columns)"
  }
}
