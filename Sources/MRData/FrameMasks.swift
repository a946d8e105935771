import Diagnostics
import Tensors

/// The masks of a scan's frames: the pattern, and of it what the scan really holds.
struct FrameMasks {
  private let scan: Scan
  private let pattern: SamplingPattern
  private let axis: PhaseAxis
  /// The mask of all frames, where they have one.
  private let common: SamplingMask?
  private let isPartial: Bool

  init(_ scan: Scan, _ pattern: SamplingPattern, _ axis: PhaseAxis) throws(Diagnostic) {
    (self.scan, self.pattern, self.axis) = (scan, pattern, axis)
    isPartial = !scan.isFullySampled
    common =
      pattern.isTheSameForAllFrames
      ? try pattern.mask(rows: scan.rows, columns: scan.columns, axis: axis) : nil
  }

  func mask(frame: Int) throws(Diagnostic) -> SamplingMask {
    let mask: SamplingMask
    if let common {
      mask = common
    } else {
      mask = try pattern.mask(rows: scan.rows, columns: scan.columns, axis: axis, frame: frame)
    }
    guard isPartial else { return mask }
    let measured = try scan.measuredMask(frame: frame, axis: axis).mask
    if pattern == .none || pattern == .detect { return measured }
    return try mask.intersected(with: measured)
  }
}
