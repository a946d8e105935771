import ComplexModule
import Diagnostics
import RealModule
import Tensors

/// What a dimension of a scan is.
public enum Axis: String, Sendable, Hashable, CaseIterable {
  case slice, frame, coil, row, column
}

/// Centred Cartesian k-space, [frame, coil, row, column]; scans without a coil axis have one coil.
public struct KSpace: Sendable {
  public let values: Tensor<Complex<Float>>

  public var frames: Int { values.shape[0] }
  public var coils: Int { values.shape[1] }
  public var rows: Int { values.shape[2] }
  public var columns: Int { values.shape[3] }

  /// Throws where the tensor has not the four dimensions.
  public init(_ values: Tensor<Complex<Float>>) throws(Diagnostic) {
    guard values.shape.rank == 4 else {
      throw Diagnostic("k-space has frames, coils, rows and columns, not \(values.shape)")
    }
    self.values = values
  }

  /// One frame in float64, [coil, row, column].
  public func frame(_ index: Int) throws(Diagnostic) -> Tensor<Complex<Double>> {
    let size = coils * rows * columns
    let part = values.values[index * size..<(index + 1) * size]
    return try Tensor(
      try Shape([coils, rows, columns]), part.map { Complex(Double($0.real), Double($0.imaginary)) }
    )
  }
}

/// Turns the images of several coils into one.
public enum CoilCombination {
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
}
