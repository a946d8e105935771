import ComplexModule
import Foundation
import RealModule

/// An ellipse of constant signal; lengths in pixels, from the centre pixel (index n/2) of the image.
struct Ellipse: Sendable, Equatable {
  /// Centre, downwards and to the right.
  var row: Double
  var column: Double
  /// Semi-axes, along rows and along columns before rotation.
  var rowRadius: Double
  var columnRadius: Double
  /// Radians, from the row axis towards the column axis.
  var angle: Double
  /// Added to what lies below it.
  var signal: Double

  init(
    row: Double, column: Double, rowRadius: Double, columnRadius: Double, degrees: Double = 0,
    signal: Double
  ) {
    self.row = row
    self.column = column
    self.rowRadius = rowRadius
    self.columnRadius = columnRadius
    angle = degrees * .pi / 180
    self.signal = signal
  }

  /// The continuous Fourier transform at a frequency in cycles per pixel:
  /// signal a b J1(2 pi q) / q exp(-2 pi i k.r0), with q the length of k in the axes' frame scaled by them
  /// (Van de Walle et al., IEEE Trans Med Imaging 1997;16:243).
  func transform(rowFrequency: Double, columnFrequency: Double) -> Complex<Double> {
    let alongRow = (rowFrequency * cos(angle) + columnFrequency * sin(angle)) * rowRadius
    let alongColumn = (columnFrequency * cos(angle) - rowFrequency * sin(angle)) * columnRadius
    let length = (alongRow * alongRow + alongColumn * alongColumn).squareRoot()
    let disc = length < 1e-9 ? Double.pi : j1(2 * .pi * length) / length
    let phase = -2 * Double.pi * (rowFrequency * row + columnFrequency * column)
    let size = signal * rowRadius * columnRadius * disc
    return Complex(size * cos(phase), size * sin(phase))
  }

  func contains(row pointRow: Double, column pointColumn: Double) -> Bool {
    let (down, right) = (pointRow - row, pointColumn - column)
    let alongRow = (down * cos(angle) + right * sin(angle)) / rowRadius
    let alongColumn = (right * cos(angle) - down * sin(angle)) / columnRadius
    return alongRow * alongRow + alongColumn * alongColumn <= 1
  }
}
