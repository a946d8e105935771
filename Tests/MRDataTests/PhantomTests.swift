import ComplexModule
import Diagnostics
import Foundation
import RealModule
import Tensors
import TestSupport
import Testing

@testable import MRData

@Suite struct PhantomTests {
  private func small(frames: Int = 4, noise: Double = 0, seed: UInt64 = 1) -> Phantom {
    var phantom = Phantom()
    (phantom.frames, phantom.rows, phantom.columns) = (frames, 128, 80)
    (phantom.noise, phantom.seed) = (noise, seed)
    return phantom
  }

  /// The signal averaged over each pixel, 4 x 4 points.
  private func raster(_ phantom: Phantom, frame: Int) -> [Float] {
    (0..<phantom.rows * phantom.columns).map { index in
      let row = Double(index / phantom.columns - phantom.rows / 2)
      let column = Double(index % phantom.columns - phantom.columns / 2)
      var sum = 0.0
      for point in 0..<16 {
        sum += phantom.signal(
          frame: frame, row: row + (Double(point / 4) - 1.5) / 4,
          column: column + (Double(point % 4) - 1.5) / 4)
      }
      return Float(sum / 16)
    }
  }

  @Test func looksLikeItsEllipses() throws {
    let phantom = small()
    let kSpace = try phantom.kSpace()
    for frame in [0, 2] {
      let image = try CoilCombination.rootSumOfSquares(
        try Fourier.inverse(try kSpace.frame(frame)))
      let nmse = ImageQuality.nmse(
        image.values.map { Float($0) }, reference: raster(phantom, frame: frame))
      #expect(nmse < 0.01)
      #expect(nmse > 1e-5)  // truncation ripples are there
    }
    let moved = ImageQuality.nmse(
      raster(phantom, frame: 2), reference: raster(phantom, frame: 0))
    #expect(moved > 0.02)
  }

  @Test func hasASmoothPhase() throws {
    let phantom = small(frames: 1)
    let image = try Fourier.inverse(try phantom.kSpace().frame(0))
    var worst = 0.0
    for row in 0..<phantom.rows {
      for column in 0..<phantom.columns {
        let value = image.values[row * phantom.columns + column]
        guard value.length > 0.15 else { continue }
        let expected =
          0.9 * sin(2 * .pi * Double(row - 64) / 128 + 0.4)
          + 0.7 * sin(2 * .pi * Double(column - 40) / 80 - 0.8)
        worst = max(worst, abs((value / Complex(length: 1, phase: expected)).phase))
      }
    }
    #expect(worst < 0.3)
  }

  @Test func transformsEllipsesExactly() {
    let ellipse = Ellipse(
      row: 2, column: -3, rowRadius: 4, columnRadius: 2.5, degrees: 30, signal: 2)
    let area = ellipse.transform(rowFrequency: 0, columnFrequency: 0)
    #expect(abs(area.real - 2 * .pi * 10) < 1e-9 && abs(area.imaginary) < 1e-12)
    // The same by a sum over fine points.
    let step = 0.02
    var sum = Complex<Double>.zero
    for row in stride(from: -4.0, to: 8, by: step) {
      for column in stride(from: -9.0, to: 3, by: step)
      where ellipse.contains(row: row, column: column) {
        sum += Complex(length: 2 * step * step, phase: -2 * .pi * (0.07 * row - 0.11 * column))
      }
    }
    let exact = ellipse.transform(rowFrequency: 0.07, columnFrequency: -0.11)
    #expect((exact - sum).length < 0.02)
  }

  @Test func repeatsItsNoiseBySeed() throws {
    let clean = try small(frames: 1).kSpace().values.values
    let first = try small(frames: 1, noise: 0.05).kSpace().values.values
    let again = try small(frames: 1, noise: 0.05).kSpace().values.values
    let other = try small(frames: 1, noise: 0.05, seed: 2).kSpace().values.values
    #expect(first == again)
    #expect(first != other)
    let power = zip(first, clean).reduce(0.0) { $0 + Double(($1.0 - $1.1).lengthSquared) }
    #expect(abs((power / Double(2 * clean.count)).squareRoot() - 0.05) < 0.001)
  }

  @Test func writesAScan() throws {
    let scratch = try Scratch()
    try small(frames: 2).write(to: scratch.file("p.npz"))
    let scan = try ScanReader.read(scratch.file("p.npz"))
    let extents: [Int] = [scan.frames, scan.coils, scan.rows, scan.columns]
    #expect(extents.elementsEqual([2, 1, 128, 80]))
    #expect(scan.isFullySampled)
    var bad = small()
    bad.rows = 1 << 40
    #expect(throws: Diagnostic.self) { try bad.kSpace() }
  }
}
