/// Structural similarity with a box window of 3 x 3 pixels at stride 1; equation 10 of Ghodrati 2019.
///
/// Means, population variances and covariance of a window give
/// (2 mx my + C1)(2 sxy + C2) / ((mx^2 + my^2 + C1)(sx^2 + sy^2 + C2)) with C1 = (0.01 L)^2, C2 = (0.03 L)^2
/// (Wang et al. 2004, IEEE Trans Image Process 13:600). Only windows that lie inside the image count. Values cannot be
/// compared with published ones of 7 x 7 or 11 x 11 windows.
public enum StructuralSimilarity {
  public static let window = 3

  /// The mean over the windows of images [row, column] of at least 3 x 3; `range` is L.
  public static func mean(
    _ image: ArraySlice<Double>, reference: ArraySlice<Double>, columns: Int, range: Double
  ) -> Double {
    let rows = image.count / columns
    var sum = 0.0
    for row in 0...rows - window {
      for column in 0...columns - window {
        let start = row * columns + column
        sum += index(image, reference, at: start, columns: columns, range: range)
      }
    }
    return sum / Double((rows - window + 1) * (columns - window + 1))
  }

  /// Of the window whose upper left pixel is the `start`-th.
  private static func index(
    _ x: ArraySlice<Double>, _ y: ArraySlice<Double>, at start: Int, columns: Int, range: Double
  ) -> Double {
    var (sumX, sumY, sumXX, sumYY, sumXY) = (0.0, 0.0, 0.0, 0.0, 0.0)
    // About the first pixel, so that a bright window does not cancel its variance away.
    let (x0, y0) = (x[x.startIndex + start], y[y.startIndex + start])
    for row in 0..<window {
      for column in 0..<window {
        let place = start + row * columns + column
        let (a, b) = (x[x.startIndex + place] - x0, y[y.startIndex + place] - y0)
        sumX += a
        sumY += b
        sumXX += a * a
        sumYY += b * b
        sumXY += a * b
      }
    }
    let count = Double(window * window)
    let (shiftX, shiftY) = (sumX / count, sumY / count)
    let varianceX = sumXX / count - shiftX * shiftX
    let varianceY = sumYY / count - shiftY * shiftY
    let covariance = sumXY / count - shiftX * shiftY
    let (meanX, meanY) = (x0 + shiftX, y0 + shiftY)
    let (c1, c2) = (1e-4 * range * range, 9e-4 * range * range)
    return (2 * meanX * meanY + c1) * (2 * covariance + c2)
      / ((meanX * meanX + meanY * meanY + c1) * (varianceX + varianceY + c2))
  }
}
