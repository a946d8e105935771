import Diagnostics

/// The measures of each frame of a series against its reference.
public struct Scores: Sendable {
  /// What PSNR and SSIM take for the range of the data.
  public enum DataRange: Sendable, Equatable {
    case value(Double)
    /// The greatest value of all frames of the reference.
    case referenceMaximum
  }

  /// dB, one a frame; likewise the others.
  public private(set) var snr: [Double] = []
  public private(set) var regressedSNR: [Double] = []
  /// Mean of the channels' values.
  public private(set) var ssim: [Double] = []
  public private(set) var psnr: [Double] = []
  public private(set) var nmse: [Double] = []

  /// Throws where the shapes differ, or images are smaller than SSIM's window.
  public init(
    _ images: ImageStack, reference: ImageStack, dataRange: DataRange = .value(1)
  ) throws(Diagnostic) {
    guard images.description == reference.description else {
      throw Diagnostic(
        "the image has \(images.description), but the reference has \(reference.description)",
        help: "both need the same frames, rows and columns")
    }
    let window = StructuralSimilarity.window
    guard images.rows >= window, images.columns >= window else {
      throw Diagnostic(
        "SSIM needs images of \(window)x\(window) at least, not \(images.rows)x\(images.columns)")
    }
    let range = try dataRange.value(for: reference)
    // No measure depends on the unit.
    let largest = max(images.largestMagnitude, reference.largestMagnitude)
    addRatios(images.inUnit(of: largest).images, reference.inUnit(of: largest).images)
    let whole = max(largest, range)
    let (image, unit) = images.inUnit(of: whole)
    addMeasuresByRange(image, reference.inUnit(of: whole).images, range * unit)
  }

  private mutating func addRatios(_ images: ImageStack, _ reference: ImageStack) {
    for frame in 0..<images.frames {
      let (x, y) = (images.frame(frame), reference.frame(frame))
      snr.append(ImageMetrics.snr(x, reference: y))
      regressedSNR.append(ImageMetrics.regressedSNR(x, reference: y))
      nmse.append(ImageMetrics.nmse(x, reference: y))
    }
  }

  private mutating func addMeasuresByRange(
    _ images: ImageStack, _ reference: ImageStack, _ range: Double
  ) {
    for frame in 0..<images.frames {
      let (x, y) = (images.frame(frame), reference.frame(frame))
      psnr.append(ImageMetrics.psnr(x, reference: y, range: range))
      ssim.append(Self.ssim(images, reference, frame, range: range))
    }
  }

  /// Adds the frames of another series after these.
  public mutating func append(_ other: Scores) {
    snr += other.snr
    regressedSNR += other.regressedSNR
    ssim += other.ssim
    psnr += other.psnr
    nmse += other.nmse
  }

  private static func ssim(
    _ images: ImageStack, _ reference: ImageStack, _ frame: Int, range: Double
  ) -> Double {
    var sum = 0.0
    for channel in 0..<images.channels {
      sum += StructuralSimilarity.mean(
        images.image(frame, channel: channel), reference: reference.image(frame, channel: channel),
        columns: images.columns, range: range)
    }
    return sum / Double(images.channels)
  }
}

extension Scores.DataRange {
  /// Throws where a reference without values above zero says what the range is.
  public func value(for reference: ImageStack) throws(Diagnostic) -> Double {
    switch self {
    case .value(let value): return value
    case .referenceMaximum:
      guard reference.maximum > 0 else {
        throw Diagnostic(
          "the reference has no value above zero that could be the data range",
          help: "give the range as a number")
      }
      return reference.maximum
    }
  }
}
