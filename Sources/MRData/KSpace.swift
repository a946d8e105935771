import ComplexModule
import Diagnostics
import RealModule
import Tensors

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
