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
    let scale = Scale(holding: drawn.joined().map(\.y))
    let box = Box(x: Axes.margin(scale), y: 16, width: 460, height: 280)
    let axes = Axes(
      box: box, vertical: scale, horizontal: Scale(holding: drawn.joined().map(\.x)))
    let label = isLogarithmic ? "log10 of \(vertical)" : vertical
    let strokes = strokes(curves)
    let legend = box.y + 12 + 18 * Double(curves.count)
    return try Figure(width: box.right + 190, height: max(box.bottom + 50, legend)) { drawing in
      axes.draw(on: drawing, vertical: label, horizontal: horizontal)
      for (place, points) in drawn.enumerated() {
        let (ink, dashes) = strokes[place]
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

  /// Lines and gaps of curves whose colour is used again, solid and dashed ones in turn.
  private static let patterns: [[Double]] = [
    [], [5, 3], [12, 3], [2, 2], [12, 3, 2, 3], [2, 5], [12, 3, 2, 3, 2, 3], [5, 3, 2, 3],
  ]

  /// A colour for each curve, which a dashed one has in common with the curve before; where colours repeat, dashes differ.
  private static func strokes(_ curves: [Curve]) -> [(ink: Ink, dashes: [Double])] {
    var number = -1
    return curves.map { curve in
      if !curve.isDashed || number < 0 { number += 1 }
      let pattern = 2 * (number / Ink.seriesCount) + (curve.isDashed ? 1 : 0)
      return (.series(number), patterns[pattern % patterns.count])
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
