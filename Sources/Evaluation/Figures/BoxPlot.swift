import Diagnostics

/// Samples of several techniques as boxes from quartile to quartile.
public enum BoxPlot {
  /// Whiskers reach to the last values within 1.5 interquartile ranges of the box; values beyond are dots (Tukey 1977).
  ///
  /// Values that are not finite are left out. Throws where a sample has no finite value.
  public static func figure(
    names: [String], samples: [[Double]], label: String
  ) throws(Diagnostic) -> Figure {
    let finite = samples.map { $0.filter(\.isFinite).sorted() }
    if let empty = finite.firstIndex(where: \.isEmpty) {
      throw Diagnostic("'\(names[empty])' has no finite value that could be drawn")
    }
    let slot = 92.0
    let scale = Scale(holding: finite.joined())
    let box = Box(
      x: Axes.margin(scale), y: 16, width: max(160, slot * Double(names.count)), height: 240)
    let axes = Axes(box: box, vertical: scale)
    return try Figure(width: box.right + 16, height: box.bottom + 34) { drawing in
      axes.draw(on: drawing, vertical: label)
      for (place, sample) in finite.enumerated() {
        let x = axes.slot(place, of: names.count)
        draw(sample, at: x, axes, .series(place), drawing)
        drawing.text(
          drawing.fitted(names[place], width: slot - 6, size: 10),
          at: Point(x: x, y: box.bottom + 18), size: 10, anchor: .middle)
      }
    }
  }

  private static func draw(
    _ sorted: [Double], at x: Double, _ axes: Axes, _ ink: Ink, _ drawing: Drawing
  ) {
    let quartiles = Quartiles(sorted)
    let reach = 1.5 * (quartiles.upper - quartiles.lower)
    let inside = sorted.filter { $0 >= quartiles.lower - reach && $0 <= quartiles.upper + reach }
    let (low, high) = (inside.first ?? quartiles.lower, inside.last ?? quartiles.upper)
    let half = 22.0
    for (from, to) in [(quartiles.lower, low), (quartiles.upper, high)] {
      drawing.line([Point(x: x, y: axes.y(from)), Point(x: x, y: axes.y(to))], ink, width: 1.5)
      let end = axes.y(to)
      drawing.line([Point(x: x - 9, y: end), Point(x: x + 9, y: end)], ink, width: 1.5)
    }
    let body = Box(
      x: x - half, y: axes.y(quartiles.upper), width: 2 * half,
      height: axes.y(quartiles.lower) - axes.y(quartiles.upper))
    drawing.fill(body, ink.mixed(.white, 0.6))
    drawing.frame(body, ink, width: 1.5)
    let middle = axes.y(quartiles.median)
    drawing.line(
      [Point(x: x - half, y: middle), Point(x: x + half, y: middle)], ink.mixed(.black, 0.3),
      width: 2.5)
    for value in sorted where value < low || value > high {
      drawing.disc(Point(x: x, y: axes.y(value)), radius: 1.8, ink)
    }
  }
}
