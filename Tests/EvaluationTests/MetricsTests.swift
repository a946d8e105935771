import Diagnostics
import Evaluation
import Tensors
import TestSupport
import Testing

@Suite struct MetricsTests {
  @Test func measuresByHand() throws {
    let reference = try images([1, 3, 3], [1, 0, 0, 0, 1, 0, 0, 0, 1])
    let half = try images([3, 3], [0.5, 0, 0, 0, 0.5, 0, 0, 0, 0.5])
    let scores = try Scores(half, reference: reference)
    // |y|^2 = 3, |y - x|^2 = 0.75.
    #expect(close(scores.snr[0], 6.020599913))
    #expect(close(scores.nmse[0], 0.25))
    #expect(close(scores.psnr[0], 10.79181246))
    // The affine fit is exact up to rounding.
    #expect(scores.regressedSNR[0] > 250)
    // Means 1/6 and 1/3, variances 1/18 and 2/9, covariance 1/9.
    let (a, b) = (2.0 / 18 + 1e-4, 2.0 / 9 + 9e-4)
    let (c, d) = (1.0 / 36 + 1.0 / 9 + 1e-4, 1.0 / 18 + 2.0 / 9 + 9e-4)
    #expect(close(scores.ssim[0], a * b / (c * d), 1e-12))
  }

  @Test func measuresDoNotDependOnUnits() throws {
    let values = (0..<40).map { Double(($0 * 7) % 11) / 11 }
    let others = (0..<40).map { Double(($0 * 5) % 9) / 9 }
    func scores(_ unit: Double) throws -> Scores {
      try Scores(
        try images([2, 4, 5], values.map { $0 * unit }),
        reference: try images([2, 4, 5], others.map { $0 * unit }), dataRange: .referenceMaximum)
    }
    let one = try scores(1)
    for unit in [0x1p-900, 0x1p-300, 0x1p300, 0x1p1020] {
      let scaled = try scores(unit)
      #expect(scaled.snr == one.snr && scaled.psnr == one.psnr && scaled.nmse == one.nmse)
      #expect(scaled.regressedSNR == one.regressedSNR && scaled.ssim == one.ssim)
    }
  }

  @Test func perfectAndBlackImagesAreInfiniteOrUndefined() throws {
    let image = try randomImages([2, 4, 5], seed: 1)
    let same = try Scores(image, reference: image)
    #expect(same.snr == [.infinity, .infinity] && same.psnr[0] == .infinity)
    #expect(same.nmse == [0, 0] && same.ssim.allSatisfy { close($0, 1, 1e-12) })
    let black = try images([2, 4, 5], [Double](repeating: 0, count: 40))
    let wrong = try Scores(image, reference: black)
    #expect(wrong.snr[0] == -.infinity && wrong.nmse[0] == .infinity && wrong.psnr[0].isFinite)
    let nothing = try Scores(black, reference: black)
    #expect(nothing.snr[0].isNaN && nothing.nmse[0].isNaN && nothing.ssim[0] == 1)
  }

  @Test func shapesAreInterchangeableWhereTheyMeanTheSame() throws {
    let values = (0..<24).map { Double(($0 * 7) % 11) / 11 }
    let flat = try images([2, 3, 4], values)
    let channel = try images([2, 1, 3, 4], values)
    #expect(try Scores(channel, reference: flat).ssim == [1, 1])
    #expect(
      message { () throws(Diagnostic) in
        _ = try Scores(channel, reference: try wrongShape([2, 4, 3], values))
      }?.contains("2 frames of 3x4, but the reference has 2 frames of 4x3") == true)
    #expect(
      message { () throws(Diagnostic) in
        let two = try wrongShape([12, 2], values)
        _ = try Scores(two, reference: two)
      }?.contains("3x3") == true)
    #expect(message { () throws(Diagnostic) in _ = try wrongShape([24], values) } != nil)
  }

  @Test func namesThePixelThatIsNotFinite() throws {
    var values = [Double](repeating: 0.5, count: 2 * 3 * 4)
    values[12 + 4 + 2] = .nan
    #expect(
      message { () throws(Diagnostic) in _ = try wrongShape([2, 3, 4], values) }
        == "the value of frame 1, row 1, column 2 is nan")
  }

  @Test func dataRangeScalesPSNRAndSSIM() throws {
    let (x, y) = (try randomImages([1, 6, 6], seed: 2), try randomImages([1, 6, 6], seed: 3))
    let unit = try Scores(x, reference: y)
    let wide = try Scores(x, reference: y, dataRange: .value(10))
    #expect(close(wide.psnr[0], unit.psnr[0] + 20) && wide.ssim[0] > unit.ssim[0])
    let maximum = try Scores(x, reference: y, dataRange: .referenceMaximum)
    #expect(try maximum.psnr == Scores(x, reference: y, dataRange: .value(y.maximum)).psnr)
  }

  private func wrongShape(_ extents: [Int], _ values: [Double]) throws(Diagnostic) -> ImageStack {
    try ImageStack(.float64(try Tensor(try Shape(extents), values)))
  }
}
