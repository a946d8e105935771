import Foundation

/// The ellipses of the phantom; signals as in bright-blood (balanced gradient echo) cine, blood 0.95.
///
/// Left-right runs along rows (192), front-back along columns (128), as in scans that encode phase front to back.
struct PhantomAnatomy: Sendable {
  /// Pixels per unit; 1 for a matrix of 256 x 160.
  var scale: Double

  /// What stays: skin and fat, muscle, the bed of the heart, lungs, liver, spine, aorta.
  var body: [Ellipse] {
    scaled([
      Ellipse(row: 0, column: 0, rowRadius: 88, columnRadius: 58, signal: 0.75),
      Ellipse(row: 0, column: 0, rowRadius: 82, columnRadius: 52, signal: -0.45),
      Ellipse(row: -4, column: -4, rowRadius: 33, columnRadius: 30, signal: -0.14),
      Ellipse(row: -57, column: 0, rowRadius: 17, columnRadius: 29, degrees: 12, signal: -0.24),
      Ellipse(row: 51, column: -10, rowRadius: 20, columnRadius: 24, degrees: -15, signal: -0.24),
      Ellipse(row: 46, column: 28, rowRadius: 22, columnRadius: 10, degrees: 14, signal: 0.12),
      Ellipse(row: 4, column: 40, rowRadius: 9, columnRadius: 8, signal: 0.15),
      Ellipse(row: -14, column: 34, rowRadius: 5.5, columnRadius: 5.5, signal: 0.6),
    ])
  }

  /// What beats; `time` 0..<1 starts at the end of filling.
  func heart(at time: Double) -> [Ellipse] {
    // 0 when filled, 1 when contracted, at 35 to 40 % of the beat.
    let warped = time + 0.1 * sin(2 * .pi * time)
    let contraction = (1 - cos(2 * .pi * warped)) / 2
    let (row, column) = (-14 + 1.5 * contraction, -4 + 2 * contraction)
    let cavity = 16 - 6 * contraction
    // The wall keeps its area, so it thickens as the cavity shrinks.
    let wall = (23.0 * 23 - 16 * 16 + cavity * cavity).squareRoot()
    let right = 1 - 0.22 * contraction
    // Above the dark bed of the heart, 0.16.
    let (blood, muscle) = (0.79, 0.2)
    return scaled([
      Ellipse(row: row, column: column, rowRadius: wall, columnRadius: wall * 0.97, signal: muscle),
      Ellipse(
        row: row, column: column, rowRadius: cavity, columnRadius: cavity * 0.95,
        signal: blood - muscle),
      Ellipse(
        row: row + wall + 8.5 * right, column: column - 3, rowRadius: 8 * right,
        columnRadius: 21 * right, degrees: 12, signal: blood),
      papillary(row, column, cavity, degrees: 35),
      papillary(row, column, cavity, degrees: 140),
    ])
  }

  private func papillary(
    _ row: Double, _ column: Double, _ cavity: Double, degrees: Double
  ) -> Ellipse {
    let angle = degrees * .pi / 180
    return Ellipse(
      row: row + 0.6 * cavity * cos(angle), column: column + 0.6 * cavity * sin(angle),
      rowRadius: 2.4, columnRadius: 2, degrees: degrees, signal: -0.55)
  }

  private func scaled(_ ellipses: [Ellipse]) -> [Ellipse] {
    ellipses.map { ellipse in
      var copy = ellipse
      copy.row *= scale
      copy.column *= scale
      copy.rowRadius *= scale
      copy.columnRadius *= scale
      return copy
    }
  }
}
