import Foundation
import Tensors

/// Simple measures of one image against its reference, for captions.
public enum ImageQuality {
  /// Squared error over squared reference.
  public static func nmse<Values: Collection<Float>>(_ image: Values, reference: Values) -> Double {
    var (error, norm) = (0.0, 0.0)
    for (value, truth) in zip(image, reference) {
      error += Double(value - truth) * Double(value - truth)
      norm += Double(truth) * Double(truth)
    }
    return norm > 0 ? error / norm : (error > 0 ? .infinity : 0)
  }

  /// 20 log10 of the reference's maximum over the root mean squared error, in dB.
  public static func psnr<Values: Collection<Float>>(_ image: Values, reference: Values) -> Double {
    var (error, peak) = (0.0, 0.0)
    for (value, truth) in zip(image, reference) {
      error += Double(value - truth) * Double(value - truth)
      peak = max(peak, Double(abs(truth)))
    }
    return 20 * log10(peak / (error / Double(reference.count)).squareRoot())
  }
}
