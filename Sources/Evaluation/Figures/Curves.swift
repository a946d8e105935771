import Diagnostics
import Foundation

/// Curves of losses over training steps.
public struct Curves: Sendable {
  public struct Curve: Sendable {
    public var name: String
    /// Increasing x.
    public var points: [(x: Double, y: Double)]
    /// Drawn in the colour of the curve before.
    public var isDashed = false

    public init(name: String, points: [(x: Double, y: Double)], isDashed: Bool = false) {
      (self.name, self.points, self.isDashed) = (name, points, isDashed)
    }
  }

  /// More points than this are averaged in groups of neighbours.
  public static let largestPointCount = 400

  /// `isLogarithmic` draws the decimal logarithm of y, without values that have none.
  ///
  /// Throws where no curve has a point that can be drawn.
  public static func figure(
    _ curves: [Curve], horizontal: String = "step", vertical: String, isLogarithmic: Bool = false
  ) throws(Diagnostic) -> Figure {
    let drawn = curves.map { curve in
      thinned(curve.points).map { (x: $0.x, y: isLogarithmic ? log10($0.y) : $0.y) }
        .filter { $0.x.isFinite && $0.y.isFinite }
    }
    guard !drawn.joined().isEmpty else {
      throw Diagnostic("the curves have no points that can be drawn")
    }
    let box = Box(x: 66, y: 16, width: 460, height: 280)
    let axes = Axes(
      box: box, vertical: Scale(holding: drawn.joined().map(\.y)),
      horizontal: Scale(holding: drawn.joined().map(\.x)))
    let label = isLogarithmic ? "log10 of \(vertical)" : vertical
    var colours: [Int] = []
    for curve in curves { colours.append((colours.last ?? -1) + (curve.isDashed ? 0 : 1)) }
    return try Figure(width: box.right + 190, height: box.bottom + 50) { [colours] drawing in
      axes.draw(on: drawing, vertical: label, horizontal: horizontal)
      for (place, points) in drawn.enumerated() {
        let dashes = curves[place].isDashed ? [5.0, 3.0] : []
        let ink = Ink.series(max(0, colours[place]))
        let places = points.map { Point(x: axes.x($0.x), y: axes.y($0.y)) }
        drawing.line(places, ink, width: 1.6, dashes: dashes)
        if places.count == 1 { drawing.disc(places[0], radius: 3, ink) }
        let y = box.y + 12 + 18 * Double(place)
        drawing.line(
          [Point(x: box.right + 12, y: y), Point(x: box.right + 36, y: y)], ink,
          width: 2, dashes: dashes)
        drawing.text(
          drawing.fitted(curves[place].name, width: 140, size: 10),
          at: Point(x: box.right + 42, y: y + 4), size: 10)
      }
    }
  }

  private static func thinned(_ points: [(x: Double, y: Double)]) -> [(x: Double, y: Double)] {
    let group = (points.count + largestPointCount - 1) / largestPointCount
    guard group > 1 else { return points }
    return stride(from: 0, to: points.count, by: group).map { start in
      let part = points[start..<min(start + group, points.count)]
      let count = Double(part.count)
      return (part.reduce(0) { $0 + $1.x } / count, part.reduce(0) { $0 + $1.y } / count)
    }
  }
}
