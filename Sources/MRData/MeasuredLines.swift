import Diagnostics

/// The lines of k-space that a network puts back itself: what it is given must have been sampled so.
public struct MeasuredLines: Sendable {
  private let text: String
  private let pattern: SamplingPattern
  private let axis: PhaseAxis

  /// Throws where the text is no pattern.
  public init(_ text: String, axis: PhaseAxis) throws(Diagnostic) {
    self.text = text
    pattern = try SamplingPattern(parsing: text)
    self.axis = axis
  }

  /// Throws where a frame's mask is another, or k-space is not that of the network's images.
  func check(_ mask: SamplingMask, frame: Int, size: ImageSize) throws(Diagnostic) {
    guard mask.rows == size.height, mask.columns == size.width else {
      throw Diagnostic(
        "the network puts measured lines back into images of \(size), but k-space has \(mask.rows)x\(mask.columns) points",
        help: "give --crop before, or --size \(mask.rows)x\(mask.columns)")
    }
    let own = try pattern.mask(rows: mask.rows, columns: mask.columns, axis: axis, frame: frame)
    guard own.isKept == mask.isKept else {
      throw Diagnostic(
        "the network puts the lines of \(text) along \(axis.rawValue) back, but frame \(frame) is sampled otherwise",
        help:
          "give --mask \(text) --axis \(axis.rawValue), or a network with the mask of the scan (--set mask=..., axis=...)"
      )
    }
  }

  /// Throws where a training set was under-sampled otherwise, or before its images were cropped.
  public func check(_ set: PreparedManifest, at path: String) throws(Diagnostic) {
    try check(
      mask: set.mask, axis: set.axis, crop: set.crop ?? CropTime.after.rawValue, at: path)
  }

  /// The same of the options that a set is to be prepared with.
  public func check(
    mask: String, axis: PhaseAxis, crop: CropTime, at path: String
  ) throws(Diagnostic) {
    try check(mask: mask, axis: axis.rawValue, crop: crop.rawValue, at: path)
  }

  private func check(
    mask: String, axis: String, crop: String, at path: String
  ) throws(Diagnostic) {
    guard try SamplingPattern(parsing: mask) == pattern, axis == self.axis.rawValue,
      crop == CropTime.before.rawValue
    else {
      throw Diagnostic(
        "the network puts the lines of \(text) along \(self.axis.rawValue) back into images, but the set is "
          + "sampled by \(mask) along \(axis), cropped \(crop) that",
        at: SourceLocation(file: path),
        help: "prepare it with --crop before --mask \(text) --axis \(self.axis.rawValue)")
    }
  }
}
