import Foundation

/// Measures of one image x against its reference y, summed over all their pixels.
///
/// A ratio with a zero below is infinite, and 0/0 is not a number: the SNR of a perfect image is infinite.
public enum ImageMetrics {
  /// 20 log10(|y| / |y - x|) in dB; equation 9 of Ghodrati 2019.
  public static func snr(_ image: ArraySlice<Double>, reference: ArraySlice<Double>) -> Double {
    10 * log10(power(reference) / squaredError(image, reference))
  }

  /// The SNR in dB after the affine fit a x + b that is best for it.
  ///
  /// Source: computeRegressedSNR.m of FBPConvNet (Jin et al. 2017, IEEE Trans Image Process 26:4509).
  public static func regressedSNR(
    _ image: ArraySlice<Double>, reference: ArraySlice<Double>
  ) -> Double {
    let (meanX, meanY) = (mean(image), mean(reference))
    var (covariance, variance) = (0.0, 0.0)
    for (x, y) in zip(image, reference) {
      covariance += (x - meanX) * (y - meanY)
      variance += (x - meanX) * (x - meanX)
    }
    let slope = variance > 0 ? covariance / variance : 0
    let fitted = image.map { slope * ($0 - meanX) + meanY }
    return snr(fitted[...], reference: reference)
  }

  /// 10 log10(range^2 / mean squared error) in dB; `range` is that of the data, 1 for images from 0 to 1.
  public static func psnr(
    _ image: ArraySlice<Double>, reference: ArraySlice<Double>, range: Double
  ) -> Double {
    10 * log10(range * range * Double(reference.count) / squaredError(image, reference))
  }

  /// |y - x|^2 / |y|^2.
  public static func nmse(_ image: ArraySlice<Double>, reference: ArraySlice<Double>) -> Double {
    squaredError(image, reference) / power(reference)
  }

  private static func mean(_ values: ArraySlice<Double>) -> Double {
    values.reduce(0, +) / Double(values.count)
  }

  private static func power(_ values: ArraySlice<Double>) -> Double {
    values.reduce(0) { $0 + $1 * $1 }
  }

  private static func squaredError(_ image: ArraySlice<Double>, _ other: ArraySlice<Double>)
    -> Double
  {
    zip(image, other).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
  }
}
