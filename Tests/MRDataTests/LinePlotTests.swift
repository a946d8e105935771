import Diagnostics
import TestSupport
import Testing

@testable import MRData

@Suite struct LinePlotTests {
  private static let curve = (1...50).map { (x: Double($0), y: 1 / Double($0)) }

  /// Pixels of a colour in the picture, as Pillow reads it.
  private func count(_ colour: String, _ plot: LinePlot) throws -> Int {
    let scratch = try Scratch()
    try plot.write(to: scratch.file("p.png"))
    let script = """
      import sys
      from PIL import Image
      picture = Image.open(sys.argv[1]).convert("RGB")
      assert picture.size == (960, 540), picture.size
      print(sum(pixel == (\(colour)) for pixel in picture.getdata()))
      """
    let text = try Python.run(script, [scratch.file("p.png")])
    return try #require(Int(text.split(separator: "\n").last ?? ""))
  }

  @Test func drawsEachCurve() throws {
    let falling = LinePlot.Series("falling", Self.curve)
    let level = LinePlot.Series("level", Self.curve.map { ($0.x, 0.5) })
    let plot = LinePlot(title: "t", horizontal: "x", series: [falling, level])
    // A curve across the frame of 820 pixels, two pixels thick, and the square in the legend.
    #expect(try count("86, 180, 233", plot) > 1500)
    #expect(try count("230, 159, 0", plot) > 1500)
  }

  @Test func valuesThatCannotBeDrawnAreLeftOut() throws {
    let odd = [Double.nan, .infinity, -1, 0].map { (x: 1.0, y: $0) }
    let plot = LinePlot(title: "t", horizontal: "x", series: [LinePlot.Series("odd", odd)])
    #expect(try count("86, 180, 233", plot) == 14 * 14)
    #expect(
      try LinePlot(title: "t", horizontal: "x", series: [LinePlot.Series("odd", odd + Self.curve)])
        .png()
        == LinePlot(title: "t", horizontal: "x", series: [LinePlot.Series("odd", Self.curve)])
        .png())
    for value in [0.0, -5, 1e30, 1e-30] {
      let one = LinePlot.Series("one", [(x: 0, y: value)])
      _ = try LinePlot(title: "", horizontal: "", series: [one], isLogarithmic: false).png()
    }
  }
}
