import ComplexModule
import Diagnostics
import RealModule
import Tensors

/// Turns the images of several coils into one.
public enum CoilCombination: String, Sendable, Hashable, CaseIterable {
  /// The root sum of squares: no knowledge of the coils needed, noise always adds up.
  case rss
  /// Weighted by coil sensitivities that are estimated from the images themselves (Walsh, Gmitro and Marcellin 2000, Magn
  /// Reson Med 43:682): the eigenvector of the greatest eigenvalue of the coils' covariance about each point.
  case adaptive

  /// [coil, row, column] to magnitudes [row, column].
  public func magnitude(
    _ images: Tensor<Complex<Double>>
  ) throws(Diagnostic) -> Tensor<Double> {
    guard images.shape.rank == 3 else {
      throw Diagnostic("coil images have coils, rows and columns, not \(images.shape)")
    }
    switch self {
    case .adaptive where images.shape[0] > 1: return try Self.adaptive(images)
    case .rss, .adaptive: return try Self.rootSumOfSquares(images)
    }
  }

  /// The root sum of squares over coils: [coil, row, column] to magnitudes [row, column].
  public static func rootSumOfSquares(
    _ images: Tensor<Complex<Double>>
  ) throws(Diagnostic) -> Tensor<Double> {
    guard images.shape.rank == 3 else {
      throw Diagnostic("coil images have coils, rows and columns, not \(images.shape)")
    }
    let size = images.shape[1] * images.shape[2]
    var magnitudes = [Double](repeating: 0, count: size)
    if images.shape[0] == 1 {
      for index in 0..<size { magnitudes[index] = images.values[index].length }
    } else {
      for coil in 0..<images.shape[0] {
        for index in 0..<size {
          let value = images.values[coil * size + index]
          magnitudes[index] += value.real * value.real + value.imaginary * value.imaginary
        }
      }
      for index in 0..<size { magnitudes[index] = magnitudes[index].squareRoot() }
    }
    return try Tensor(try Shape([images.shape[1], images.shape[2]]), magnitudes)
  }

  /// The magnitude of the images' component along the sensitivities.
  private static func adaptive(
    _ images: Tensor<Complex<Double>>
  ) throws(Diagnostic) -> Tensor<Double> {
    let (coils, size) = (images.shape[0], images.shape[1] * images.shape[2])
    let maps = try sensitivities(images)
    let magnitudes = (0..<size).map { point in
      (0..<coils).reduce(Complex<Double>.zero) { sum, coil in
        sum + maps.values[coil * size + point].conjugate * images.values[coil * size + point]
      }.length
    }
    return try Tensor(try Shape([images.shape[1], images.shape[2]]), magnitudes)
  }

  /// Points on either side that the covariance is summed over.
  private static let radius = 3

  /// Unit vectors over coils, [coil, row, column], whose phase is that of the coil that is strongest on the whole.
  public static func sensitivities(
    _ images: Tensor<Complex<Double>>
  ) throws(Diagnostic) -> Tensor<Complex<Double>> {
    let (coils, rows, columns) = (images.shape[0], images.shape[1], images.shape[2])
    let size = rows * columns
    let strength = (0..<coils).map { coil in
      images.values[coil * size..<(coil + 1) * size].reduce(0) { $0 + $1.lengthSquared }
    }
    let strongest = strength.indices.max { strength[$0] < strength[$1] } ?? 0
    var covariances: [[Complex<Double>]] = []
    for first in 0..<coils {
      for second in 0...first {
        var products = [Complex<Double>](repeating: .zero, count: size)
        for point in 0..<size {
          products[point] =
            images.values[first * size + point] * images.values[second * size + point].conjugate
        }
        covariances.append(boxSum(products, rows, columns))
      }
    }
    var maps = images
    for point in 0..<size {
      let vector = principal(coils) { first, second in
        let (row, column) = (max(first, second), min(first, second))
        let value = covariances[row * (row + 1) / 2 + column][point]
        return first >= second ? value : value.conjugate
      }
      let reference = vector[strongest]
      let phase = reference == .zero ? .one : reference.conjugate / Complex(reference.length, 0)
      for coil in 0..<coils { maps.values[coil * size + point] = vector[coil] * phase }
    }
    return maps
  }

  /// Sums over the square about each point, cut at the borders.
  private static func boxSum(
    _ values: [Complex<Double>], _ rows: Int, _ columns: Int
  ) -> [Complex<Double>] {
    var across = values
    for row in 0..<rows {
      for column in 0..<columns {
        let range = max(0, column - radius)...min(columns - 1, column + radius)
        across[row * columns + column] = range.reduce(.zero) { $0 + values[row * columns + $1] }
      }
    }
    var sums = across
    for row in 0..<rows {
      for column in 0..<columns {
        let range = max(0, row - radius)...min(rows - 1, row + radius)
        sums[row * columns + column] = range.reduce(.zero) { $0 + across[$1 * columns + column] }
      }
    }
    return sums
  }

  /// The unit eigenvector of the greatest eigenvalue, by power iteration from the strongest column.
  private static func principal(
    _ count: Int, _ matrix: (Int, Int) -> Complex<Double>
  ) -> [Complex<Double>] {
    let start = (0..<count).max { matrix($0, $0).real < matrix($1, $1).real } ?? 0
    var vector = normalized((0..<count).map { matrix($0, start) })
    for _ in 0..<12 {
      vector = normalized(
        (0..<count).map { row in
          vector.indices.reduce(.zero) { $0 + matrix(row, $1) * vector[$1] }
        })
    }
    return vector
  }

  private static func normalized(_ vector: [Complex<Double>]) -> [Complex<Double>] {
    let norm = vector.reduce(0) { $0 + $1.lengthSquared }.squareRoot()
    guard norm > 0, norm.isFinite else {
      return vector.indices.map { $0 == 0 ? .one : .zero }
    }
    return vector.map { $0 / Complex(norm, 0) }
  }
}
