import Diagnostics
import Foundation

/// Images of several techniques side by side with a zoomed part and error maps (Figs 3, 4 and 6 of Ghodrati 2019).
public struct ComparisonSheet: Sendable {
  /// Part of the image that is shown enlarged below it.
  public struct Inset: Sendable, Equatable {
    public var row: Int
    public var column: Int
    public var rows: Int
    public var columns: Int

    public init(row: Int, column: Int, rows: Int, columns: Int) {
      (self.row, self.column, self.rows, self.columns) = (row, column, rows, columns)
    }
  }

  public var inset: Inset?
  /// How much errors are amplified in the maps.
  public var errorGain = 5.0
  /// Points of an image's longer side.
  public var imageSize = 190.0

  private let names: [String]
  private let series: [ImageStack]
  private let reference: ImageStack?
  private let frames: [Int]

  /// `frames` are shown one below the other.
  ///
  /// Throws where shapes differ, images have several channels, or a frame is not there.
  public init(
    names: [String], series: [ImageStack], reference: ImageStack?, frames: [Int]
  ) throws(Diagnostic) {
    let all = series + [reference].compactMap { $0 }
    guard let first = all.first, !series.isEmpty, names.count == series.count else {
      throw Diagnostic("a comparison needs images")
    }
    if let other = all.first(where: { $0.description != first.description }) {
      throw Diagnostic("the images differ: \(first.description), and \(other.description)")
    }
    guard first.channels == 1 else {
      throw Diagnostic("a comparison shows images of one channel, not \(first.channels)")
    }
    if let missing = frames.first(where: { !(0..<first.frames).contains($0) }) {
      throw Diagnostic(
        "there is no frame \(missing)", help: "choose frames of 0 to \(first.frames - 1)")
    }
    (self.names, self.series, self.reference, self.frames) = (names, series, reference, frames)
  }

  /// Throws where the inset does not lie inside the images.
  public func figure() throws(Diagnostic) -> Figure {
    if let inset { try check(inset) }
    let gap = 8.0
    let columns = series.count + (reference == nil ? 0 : 1)
    let captions = try frames.map(captions)
    let height = 26 + Double(frames.count) * (rowHeight + gap) + (reference == nil ? 0 : 24)
    return try Figure(
      width: gap + Double(columns) * (width + gap), height: height
    ) { drawing in
      for (row, frame) in frames.enumerated() {
        let top = 26 + Double(row) * (rowHeight + gap)
        for column in 0..<columns {
          let left = gap + Double(column) * (width + gap)
          draw(column, frame, captions[row], at: Point(x: left, y: top), drawing)
          guard row == 0 else { continue }
          let name = column < names.count ? names[column] : "reference"
          drawing.text(
            drawing.fitted(name, width: width), at: Point(x: left + width / 2, y: 18),
            anchor: .middle)
        }
      }
      if reference != nil { scale(at: Point(x: gap, y: height - 20), drawing) }
    }
  }

  private func check(_ inset: Inset) throws(Diagnostic) {
    let (rows, columns) = (series[0].rows, series[0].columns)
    guard inset.row >= 0, inset.column >= 0, inset.rows > 0, inset.columns > 0,
      inset.rows <= rows - inset.row, inset.columns <= columns - inset.column
    else {
      throw Diagnostic(
        "the inset of \(inset.rows)x\(inset.columns) at \(inset.row),\(inset.column) does not lie "
          + "inside images of \(rows)x\(columns)")
    }
  }

  private var width: Double {
    imageSize * Double(series[0].columns) / Double(max(series[0].rows, series[0].columns))
  }
  private var height: Double { width * Double(series[0].rows) / Double(series[0].columns) }
  private var insetHeight: Double {
    inset.map { 4 + width * Double($0.rows) / Double($0.columns) } ?? 0
  }
  private var rowHeight: Double {
    height + insetHeight + (reference == nil ? 0 : height + 4) + 18
  }

  /// SNR and SSIM of each technique in a frame.
  private func captions(_ frame: Int) throws(Diagnostic) -> [String] {
    guard let reference, reference.rows >= 3, reference.columns >= 3 else {
      return series.map { _ in "" }
    }
    return series.map { images in
      let snr = ImageMetrics.snr(images.frame(frame), reference: reference.frame(frame))
      let ssim = StructuralSimilarity.mean(
        images.frame(frame), reference: reference.frame(frame), columns: images.columns,
        range: white(frame))
      return String(format: "%.1f dB, SSIM %.3f", snr, ssim)
    }
  }

  /// The level that is drawn white: the 99.8th percentile of the reference or the first images.
  private func white(_ frame: Int) -> Double {
    let sorted = (reference ?? series[0]).frame(frame).sorted()
    let level = sorted[(sorted.count - 1) * 998 / 1000]
    return level > 0 ? level : max(sorted[sorted.count - 1], .leastNormalMagnitude)
  }

  private func draw(
    _ column: Int, _ frame: Int, _ captions: [String], at corner: Point, _ drawing: Drawing
  ) {
    guard let images = column < series.count ? series[column] : reference else { return }
    let white = white(frame)
    let values = Array(images.frame(frame))
    let box = Box(x: corner.x, y: corner.y, width: width, height: height)
    drawing.image(values.map { Ink.grey($0 / white) }, columns: images.columns, in: box)
    var bottom = box.bottom
    if let inset {
      let part = Box(x: box.x, y: bottom + 4, width: width, height: insetHeight - 4)
      drawing.image(
        cut(values, inset).map { Ink.grey($0 / white) }, columns: inset.columns, in: part)
      drawing.frame(part, .series(4))
      drawing.frame(place(inset, in: box), .series(4))
      bottom = part.bottom
    }
    if let reference, column < series.count {
      let errors = zip(values, reference.frame(frame)).map { abs($0 - $1) / white * errorGain }
      let map = Box(x: box.x, y: bottom + 4, width: width, height: height)
      drawing.image(errors.map(Ink.heat), columns: images.columns, in: map)
    }
    let caption = column < series.count ? captions[column] : "frame \(frame)"
    let line = Point(x: box.middle.x, y: corner.y + rowHeight - 5)
    drawing.text(caption, at: line, size: 9, anchor: .middle)
  }

  private func cut(_ values: [Double], _ inset: Inset) -> [Double] {
    (0..<inset.rows).flatMap { row in
      let start = (inset.row + row) * series[0].columns + inset.column
      return values[start..<start + inset.columns]
    }
  }

  private func place(_ inset: Inset, in box: Box) -> Box {
    let pixel = width / Double(series[0].columns)
    return Box(
      x: box.x + Double(inset.column) * pixel, y: box.y + Double(inset.row) * pixel,
      width: Double(inset.columns) * pixel, height: Double(inset.rows) * pixel)
  }

  /// The colours of the error maps.
  private func scale(at corner: Point, _ drawing: Drawing) {
    let bar = Box(x: corner.x + 40, y: corner.y, width: 120, height: 10)
    drawing.text("error 0", at: Point(x: corner.x, y: corner.y + 9), size: 9)
    drawing.image((0..<120).map { Ink.heat(Double($0) / 119) }, columns: 120, in: bar)
    let top = String(format: "%.0f %% of the images' white", 100 / errorGain)
    drawing.text(top, at: Point(x: bar.right + 6, y: corner.y + 9), size: 9)
  }
}
