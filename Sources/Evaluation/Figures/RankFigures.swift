import Diagnostics
import Foundation

/// The figures of a reading (Fig 5 of Ghodrati 2019).
public enum RankFigures {
  /// How often each technique got each rank, a panel a technique; `counts` are [technique][rank - 1].
  public static func histogram(names: [String], counts: [[Int]]) throws(Diagnostic) -> Figure {
    let (panel, gap) = (Box(x: 0, y: 0, width: 120, height: 150), 14.0)
    // Room for the number above the highest bar.
    let scale = Scale(holding: [0] + counts.joined().map { 1.1 * Double($0) }, ticks: 4)
    let width = 60 + Double(names.count) * (panel.width + gap)
    return try Figure(width: width, height: panel.height + 90) { drawing in
      for (place, name) in names.enumerated() {
        let left = 56 + Double(place) * (panel.width + gap)
        let box = Box(x: left, y: 30, width: panel.width, height: panel.height)
        bars(counts[place], Axes(box: box, vertical: scale), .series(place), drawing, place == 0)
        drawing.text(
          drawing.fitted(name, width: box.width), at: Point(x: box.middle.x, y: 20),
          anchor: .middle)
      }
      drawing.text(
        "rank (1 = best)", at: Point(x: width / 2, y: panel.height + 70), anchor: .middle)
    }
  }

  private static func bars(
    _ counts: [Int], _ axes: Axes, _ ink: Ink, _ drawing: Drawing, _ isFirst: Bool
  ) {
    for tick in axes.vertical.ticks {
      let y = axes.y(tick)
      drawing.line([Point(x: axes.box.x, y: y), Point(x: axes.box.right, y: y)], .faint)
      guard isFirst else { continue }
      drawing.text(
        axes.vertical.label(tick), at: Point(x: axes.box.x - 6, y: y + 4), size: 10, anchor: .end)
    }
    let wide = axes.box.width / Double(counts.count) * 0.72
    for (rank, count) in counts.enumerated() {
      let (x, y) = (axes.slot(rank, of: counts.count), axes.y(Double(count)))
      drawing.fill(
        Box(x: x - wide / 2, y: y, width: wide, height: axes.box.bottom - y), ink)
      drawing.text(
        "\(rank + 1)", at: Point(x: x, y: axes.box.bottom + 15), size: 10, anchor: .middle)
      if count > 0 {
        drawing.text("\(count)", at: Point(x: x, y: y - 3), size: 9, anchor: .middle)
      }
    }
    drawing.frame(axes.box, .grey(0.4))
    if isFirst {
      drawing.text(
        "readings", at: Point(x: axes.box.x - 38, y: axes.box.middle.y), anchor: .middle,
        angle: -Double.pi / 2)
    }
  }

  /// p of each pair as a matrix: Bonferroni-corrected above the diagonal, raw below it; significant ones are coloured.
  public static func pairMatrix(
    names: [String], test: Friedman, alpha: Double
  ) throws(Diagnostic) -> Figure {
    let (cell, left, top) = (64.0, 150.0, 40.0)
    let side = Double(names.count) * cell
    return try Figure(width: left + side + 20, height: top + side + 50) { drawing in
      for (place, name) in names.enumerated() {
        let middle = top + (Double(place) + 0.5) * cell
        drawing.text(
          drawing.fitted(name, width: left - 16), at: Point(x: left - 8, y: middle + 4),
          anchor: .end)
        let column = Point(x: left + (Double(place) + 0.5) * cell, y: top - 8)
        drawing.text(
          drawing.fitted(name, width: cell - 4, size: 9), at: column, size: 9, anchor: .middle)
        let own = Box(
          x: left + Double(place) * cell, y: top + Double(place) * cell, width: cell, height: cell)
        drawing.fill(own, .faint)
      }
      for pair in test.pairs {
        for (row, column, p) in [
          (pair.first, pair.second, pair.pBonferroni), (pair.second, pair.first, pair.p),
        ] {
          let box = Box(
            x: left + Double(column) * cell, y: top + Double(row) * cell, width: cell, height: cell)
          drawing.fill(box.inset(1), p < alpha ? Ink.series(5).mixed(.white, 0.35) : .white)
          drawing.frame(box, .grey(0.7))
          drawing.text(
            TableText.probability(p), at: Point(x: box.middle.x, y: box.middle.y + 4),
            anchor: .middle,
            isBold: p < alpha)
        }
      }
      drawing.text(
        "above the diagonal: p after Bonferroni; below: raw p; coloured: p < \(alpha)",
        at: Point(x: 12, y: top + side + 28), size: 10)
    }
  }

  /// Techniques on a circle with their mean ranks; a line for each pair that differs, dashed where only its raw p does.
  public static func pairGraph(
    names: [String], test: Friedman, alpha: Double
  ) throws(Diagnostic) -> Figure {
    let (centre, radius) = (Point(x: 270, y: 200), 130.0)
    let places = names.indices.map { index in
      let angle = 2 * Double.pi * Double(index) / Double(names.count) - Double.pi / 2
      return Point(x: centre.x + radius * cos(angle), y: centre.y + radius * sin(angle))
    }
    return try Figure(width: 540, height: 440) { drawing in
      for pair in test.pairs where pair.p < alpha {
        let isSure = pair.pBonferroni < alpha
        drawing.line(
          [places[pair.first], places[pair.second]], isSure ? .grey(0.2) : .grey(0.6),
          width: isSure ? 2 : 1.2, dashes: isSure ? [] : [5, 4])
      }
      for (index, place) in places.enumerated() {
        drawing.disc(place, radius: 21, .series(index), edge: .white)
        let rank = String(format: "%.2f", test.meanRanks[index])
        drawing.text(
          rank, at: Point(x: place.x, y: place.y + 4), size: 11, anchor: .middle, .white,
          isBold: true)
        let isRight = place.x > centre.x + 1
        let isMiddle = abs(place.x - centre.x) <= 1
        let (side, below) = (isMiddle ? 0.0 : isRight ? 28.0 : -28, place.y < centre.y ? -28.0 : 36)
        drawing.text(
          drawing.fitted(names[index], width: 110),
          at: Point(x: place.x + side, y: place.y + (isMiddle ? below : 4)),
          anchor: isMiddle ? .middle : isRight ? .start : .end)
      }
      let legend = "discs: mean rank; line: p < \(alpha) after Bonferroni; dashed: raw p alone"
      drawing.text(legend, at: Point(x: 270, y: 425), size: 10, anchor: .middle)
    }
  }
}
