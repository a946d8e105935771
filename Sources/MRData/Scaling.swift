import Diagnostics
import Tensors

/// How images are brought to the range a network works in.
public enum ScalingMode: String, Sendable, Hashable, CaseIterable {
  /// Zero-filled image to 0...1 by its own minimum and maximum; the reference shares its constants.
  case input
  /// Every image to 0...1 by its own minimum and maximum. Without a reference, nothing else can undo the scaling of
  /// the network's output than the input's constants, so reconstructions are those of `input`.
  case minmax
  /// The zero-filled image's 1st percentile to 0 and its 99th to 1; nothing is cut off.
  case percentile
  /// As it is.
  case none
}

/// The linear map `(x - offset) / scale` and its inverse.
public struct Scaling: Sendable, Equatable {
  public let offset: Float
  /// Never zero.
  public let scale: Float

  public static let identity = Scaling(offset: 0, scale: 1)

  private init(offset: Float, scale: Float) {
    self.offset = offset
    self.scale = scale
  }

  /// As it was stored; a scale that cannot be undone counts as 1.
  init(scale: Float, offset: Float) {
    self.init(offset: offset, scale: scale.isFinite && scale != 0 ? scale : 1)
  }

  /// Maps the 1st percentile to 0 and the 99th to 1, both of the nearest rank; a constant image goes to 0.
  public init(mappingPercentilesOf values: [Float]) {
    let sorted = values.sorted()
    guard let last = sorted.indices.last else {
      self.init(offset: 0, scale: 1)
      return
    }
    let rank = Int((Double(last) / 100).rounded())
    self.init(mappingRangeOf: [sorted[rank], sorted[last - rank]])
  }

  /// Maps the least value to 0 and the greatest to 1; a constant image goes to 0.
  public init(mappingRangeOf values: some Sequence<Float>) {
    var (low, high) = (Float.infinity, -Float.infinity)
    for value in values {
      low = min(low, value)
      high = max(high, value)
    }
    let range = high - low
    guard range.isFinite, range > 0 else {
      self.init(offset: low.isFinite ? low : 0, scale: 1)
      return
    }
    self.init(offset: low, scale: range)
  }

  /// Maps the greatest magnitude to 1 and keeps zero, as complex images need.
  public init(mappingMaximum maximum: Float) {
    self.init(offset: 0, scale: maximum > 0 && maximum.isFinite ? maximum : 1)
  }

  public func apply(_ value: Float) -> Float { (value - offset) / scale }
  public func invert(_ value: Float) -> Float { value * scale + offset }
}
