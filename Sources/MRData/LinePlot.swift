import Diagnostics
import Foundation
import Tensors

/// Curves over a common horizontal axis, drawn into a PNG picture: how a loss falls, for instance.
public struct LinePlot: Sendable {
  /// One curve; points that are not finite, or not positive on a logarithmic axis, are left out.
  public struct Series: Sendable {
    public var name: String
    public var points: [(x: Double, y: Double)]

    public init(_ name: String, _ points: [(x: Double, y: Double)]) {
      self.name = name
      self.points = points
    }
  }

  public var title: String
  public var horizontal: String
  public var series: [Series]
  /// The vertical axis shows powers of ten.
  public var isLogarithmic: Bool

  public init(title: String, horizontal: String, series: [Series], isLogarithmic: Bool = true) {
    self.title = title
    self.horizontal = horizontal
    self.series = series
    self.isLogarithmic = isLogarithmic
  }

  private static let width = 960
  private static let height = 540
  private static let letter = 2
  private static let frame = (left: 110, top: 50, right: 930, bottom: 470)
  private static let background = Colour(24, 24, 28)
  private static let grid = Colour(60, 60, 68)
  /// Told apart by people who do not see all colours (Okabe and Ito 2008).
  private static let colours = [
    Colour(86, 180, 233), Colour(230, 159, 0), Colour(0, 158, 115), Colour(204, 121, 167),
  ]

  public func write(to path: String) throws(Diagnostic) {
    try AtomicFile.write(try png(), to: path)
  }

  /// The PNG file's bytes; axes without curves where there is no point to draw.
  public func png() throws(Diagnostic) -> [UInt8] {
    var canvas = Canvas(width: Self.width, height: Self.height, Self.background)
    canvas.text(title, x: Self.frame.left, y: 16, size: Self.letter, maximumX: Self.frame.right)
    let curves = series.map { drawable($0.points) }
    let all = curves.flatMap { $0 }
    let across = PlotAxis(all.map(\.x), from: Self.frame.left, to: Self.frame.right)
    let up = PlotAxis(all.map(\.y), from: Self.frame.bottom, to: Self.frame.top)
    drawGrid(across, up, on: &canvas)
    for (number, points) in curves.enumerated() {
      let colour = Self.colours[number % Self.colours.count]
      let pixels = points.map { (x: across.pixel($0.x), y: up.pixel($0.y)) }
      for (from, to) in zip(pixels, pixels.dropFirst()) {
        canvas.line(from: from, to: to, size: 2, colour)
      }
      if let last = pixels.last { canvas.fill(x: last.x - 2, y: last.y - 2, size: 5, colour) }
      drawName(series[number].name, number, colour, on: &canvas)
    }
    return try canvas.png()
  }

  private func drawable(_ points: [(x: Double, y: Double)]) -> [(x: Double, y: Double)] {
    points.compactMap { point in
      guard point.x.isFinite, point.y.isFinite else { return nil }
      guard isLogarithmic else { return point }
      return point.y > 0 ? (point.x, log10(point.y)) : nil
    }
  }

  private func drawGrid(_ across: PlotAxis, _ up: PlotAxis, on canvas: inout Canvas) {
    let frame = Self.frame
    for value in up.ticks {
      let y = up.pixel(value)
      canvas.line(from: (frame.left, y), to: (frame.right, y), Self.grid)
      let label = String(format: "%.2g", isLogarithmic ? pow(10, value) : value)
      let width = label.count * PixelFont.advance * Self.letter
      canvas.text(label, x: frame.left - width - 6, y: y - 7, size: Self.letter)
    }
    for value in across.ticks {
      let x = across.pixel(value)
      canvas.line(from: (x, frame.top), to: (x, frame.bottom), Self.grid)
      let label = String(format: "%g", value)
      let width = label.count * PixelFont.advance * Self.letter
      canvas.text(label, x: x - width / 2, y: frame.bottom + 10, size: Self.letter)
    }
    canvas.text(horizontal, x: frame.left, y: frame.bottom + 40, size: Self.letter)
  }

  private func drawName(
    _ name: String, _ number: Int, _ colour: Colour, on canvas: inout Canvas
  ) {
    let x = Self.frame.right - 260
    let y = Self.frame.top + 10 + number * 24
    canvas.fill(x: x, y: y, size: 14, colour)
    canvas.text(name, x: x + 24, y: y, size: Self.letter, maximumX: Self.frame.right)
  }
}

/// Values laid over pixels, with round numbers to write beside them.
private struct PlotAxis {
  let low: Double
  let high: Double
  let first: Int
  let last: Int

  /// Spans all values; 0...1 where there are none, and a little around one value alone.
  init(_ values: [Double], from first: Int, to last: Int) {
    let low = values.min() ?? 0
    let high = values.max() ?? 1
    let margin = high > low ? 0.03 * (high - low) : max(abs(low) * 0.1, 0.1)
    self.low = low - margin
    self.high = high + margin
    self.first = first
    self.last = last
  }

  func pixel(_ value: Double) -> Int {
    first + Int(((value - low) / (high - low) * Double(last - first)).rounded())
  }

  /// Multiples of 1, 2 or 5 times a power of ten, four to ten of them.
  var ticks: [Double] {
    let rough = (high - low) / 6
    let power = pow(10, log10(rough).rounded(.down))
    let step = power * ([1, 2, 5, 10].first { power * $0 >= rough } ?? 10)
    let (start, end) = ((low / step).rounded(.up), (high / step).rounded(.down))
    guard start <= end, end - start < 50 else { return [] }
    // Adding zero makes -0, which would be written so, 0.
    return stride(from: start, through: end, by: 1).map { $0 * step + 0 }
  }
}
