import Diagnostics

/// One line of a cine over time: position downwards, frames to the right (Fig 6 of Ghodrati 2019).
public enum TemporalProfile {
  /// A line of pixels.
  public enum Line: Sendable, Equatable {
    case row(Int)
    case column(Int)
  }

  /// Profiles of the techniques side by side on one grey scale, with the last one's first frame and the line beside.
  ///
  /// Throws where shapes differ, there is one frame alone, several channels, or no such line.
  public static func figure(
    names: [String], series: [ImageStack], line: Line
  ) throws(Diagnostic) -> Figure {
    guard let first = series.first, series.allSatisfy({ $0.description == first.description })
    else { throw Diagnostic("profiles need images of the same frames, rows and columns") }
    guard first.frames > 1, first.channels == 1 else {
      throw Diagnostic(
        "a profile over time needs a cine of one channel, not \(first.description)")
    }
    let (index, count) =
      switch line {
      case .row(let row): (row, first.rows)
      case .column(let column): (column, first.columns)
      }
    guard (0..<count).contains(index) else {
      throw Diagnostic("there is no such line as \(index)", help: "choose one of 0 to \(count - 1)")
    }
    let profiles = series.map { profile($0, line) }
    let white = max(profiles.joined().max() ?? 0, .leastNormalMagnitude)
    let (size, gap, top) = (170.0, 10.0, 26.0)
    let wide = size * Double(first.columns) / Double(first.rows)
    let width = gap + wide + Double(series.count) * (size + gap) + gap
    return try Figure(width: width, height: top + size + 34) { drawing in
      let box = Box(x: gap, y: top, width: wide, height: size)
      locate(series[series.count - 1], line, box, drawing)
      for (place, profile) in profiles.enumerated() {
        let left = 2 * gap + wide + Double(place) * (size + gap)
        let plot = Box(x: left, y: top, width: size, height: size)
        drawing.image(profile.map { Ink.grey($0 / white) }, columns: first.frames, in: plot)
        drawing.text(
          drawing.fitted(names[place], width: size), at: Point(x: plot.middle.x, y: 18),
          anchor: .middle)
      }
      drawing.text(
        "position downwards, \(first.frames) frames to the right",
        at: Point(x: 2 * gap + wide, y: top + size + 20), size: 9)
    }
  }

  /// [position, frame].
  static func profile(_ images: ImageStack, _ line: Line) -> [Double] {
    let frames = (0..<images.frames).map { Array(images.frame($0)) }
    switch line {
    case .row(let row):
      return (0..<images.columns).flatMap { column in
        frames.map { $0[row * images.columns + column] }
      }
    case .column(let column):
      return (0..<images.rows).flatMap { row in
        frames.map { $0[row * images.columns + column] }
      }
    }
  }

  private static func locate(_ images: ImageStack, _ line: Line, _ box: Box, _ drawing: Drawing) {
    let white = max(images.maximum * 0.8, .leastNormalMagnitude)
    drawing.image(images.frame(0).map { Ink.grey($0 / white) }, columns: images.columns, in: box)
    let ends: [Point]
    switch line {
    case .row(let row):
      let y = box.y + (Double(row) + 0.5) * box.height / Double(images.rows)
      ends = [Point(x: box.x, y: y), Point(x: box.right, y: y)]
    case .column(let column):
      let x = box.x + (Double(column) + 0.5) * box.width / Double(images.columns)
      ends = [Point(x: x, y: box.y), Point(x: x, y: box.bottom)]
    }
    drawing.line(ends, .series(4), width: 1.2)
  }
}
