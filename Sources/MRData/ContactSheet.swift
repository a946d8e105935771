import Diagnostics
import Foundation
import Tensors

/// A picture that sets the images of a reconstruction side by side: zero-filled, network, reference, error.
///
/// One row a frame. Images share the grey window of their row, 0 to the 99.8th percentile of the reference; the error
/// is the absolute difference to the reference, five times amplified, on the same window.
public struct ContactSheet: Sendable {
  /// The error's amplification.
  public static let errorGain: Float = 5
  private static let margin = 12
  private static let background = Colour(24, 24, 28)

  private struct Column {
    var label: String
    var images: Tensor<Float>
    var showsError = false
  }

  private let columns: [Column]
  private let reference: Tensor<Float>?
  private let frames: [Int]
  private let title: String
  private let zoom: Int
  private let letter: Int

  /// Shows up to `rows` frames, evenly spread; throws where the result has no frame.
  public init(
    _ result: Reconstruction.Result, title: String = "", rows: Int = 4
  ) throws(Diagnostic) {
    let shape = result.zeroFilled.shape
    let images = [result.zeroFilled, result.output, result.reference].compactMap { $0 }
    guard shape.rank == 3, rows >= 1, images.allSatisfy({ $0.shape == shape }) else {
      throw Diagnostic("a contact sheet needs images [frame, row, column] of one shape")
    }
    let count = min(rows, shape[0])
    frames = (0..<count).map { $0 * shape[0] / count }
    self.title = title
    reference = result.reference
    columns = Self.columns(result)
    zoom = max(1, min(4, 400 / max(shape[1], shape[2])))
    letter = shape[2] * zoom >= 200 ? 2 : 1
  }

  private static func columns(_ result: Reconstruction.Result) -> [Column] {
    var columns = [Column(label: "ZERO-FILLED", images: result.zeroFilled)]
    if let output = result.output { columns.append(Column(label: "NETWORK", images: output)) }
    guard let reference = result.reference else { return columns }
    columns.append(Column(label: "REFERENCE", images: reference))
    columns.append(
      Column(
        label: "\(result.output == nil ? "" : "NETWORK ")ERROR X\(Int(errorGain))",
        images: result.images, showsError: true))
    return columns
  }

  public func write(to path: String) throws(Diagnostic) {
    try AtomicFile.write(try png(), to: path)
  }

  /// The PNG file's bytes.
  public func png() throws(Diagnostic) -> [UInt8] {
    let (cellWidth, cellHeight) = (width + Self.margin, height + captionHeight + Self.margin)
    let top = Self.margin + lineHeight + (title.isEmpty ? 0 : lineHeight + Self.margin)
    let total = ImageSize(
      height: top + frames.count * cellHeight + 2 * lineHeight + Self.margin,
      width: Self.margin + columns.count * cellWidth)
    guard total.height < 1 << 15, total.width < 1 << 15 else {
      throw Diagnostic("images of \(height) x \(width) are too large for a contact sheet")
    }
    var canvas = Canvas(width: total.width, height: total.height, Self.background)
    canvas.text(title, x: Self.margin, y: Self.margin, size: letter)
    for (place, column) in columns.enumerated() {
      let x = Self.margin + place * cellWidth
      canvas.text(
        column.label, x: x, y: top - lineHeight, size: letter, maximumX: x + width)
      for (row, frame) in frames.enumerated() {
        draw(column, frame: frame, x: x, y: top + row * cellHeight, on: &canvas)
      }
      if column.showsError {
        drawScale(x: x, y: top + frames.count * cellHeight, on: &canvas)
      }
    }
    return try canvas.png()
  }

  private var width: Int { columns[0].images.shape[2] * zoom }
  private var height: Int { columns[0].images.shape[1] * zoom }
  private var lineHeight: Int { (PixelFont.height + 3) * letter }
  private var captionHeight: Int { 2 * lineHeight + 4 }

  private func pixels(_ images: Tensor<Float>, _ frame: Int) -> ArraySlice<Float> {
    let size = images.shape[1] * images.shape[2]
    return images.values[frame * size..<(frame + 1) * size]
  }

  /// What is drawn white in a frame; never zero.
  private func window(_ frame: Int) -> Float {
    let sorted = pixels(reference ?? columns[0].images, frame).sorted()
    let level = sorted[(sorted.count - 1) * 998 / 1000]
    let white = level > 0 ? level : (sorted.last ?? 1)
    return white > 0 && white.isFinite ? white : 1
  }

  private func draw(_ column: Column, frame: Int, x: Int, y: Int, on canvas: inout Canvas) {
    let white = window(frame)
    let values = Array(pixels(column.images, frame))
    let truth = reference.map { Array(pixels($0, frame)) }
    let imageWidth = column.images.shape[2]
    for (index, value) in values.enumerated() {
      var colour = Colour.grey(value / white)
      if column.showsError, let truth {
        colour = .heat(Self.errorGain * abs(value - truth[index]) / white)
      }
      canvas.fill(
        x: x + index % imageWidth * zoom, y: y + index / imageWidth * zoom, size: zoom, colour)
    }
    for (line, text) in caption(column, frame, values, truth).enumerated() {
      canvas.text(
        text, x: x, y: y + height + 4 + line * lineHeight, size: letter, maximumX: x + width)
    }
  }

  private func caption(
    _ column: Column, _ frame: Int, _ values: [Float], _ truth: [Float]?
  ) -> [String] {
    if column.showsError { return [] }
    guard let truth, column.label != "REFERENCE" else { return ["FRAME \(frame)"] }
    let psnr = ImageQuality.psnr(values, reference: truth)
    let nmse = ImageQuality.nmse(values, reference: truth)
    return ["PSNR \(Self.text(psnr, 2)) DB", "NMSE \(Self.text(nmse, 5))"]
  }

  /// The colour bar of the error, with its ends as parts of what is drawn white in the images.
  private func drawScale(x: Int, y: Int, on canvas: inout Canvas) {
    let high = "\(Int((100 / Self.errorGain).rounded()))%"
    let label = PixelFont.advance * letter
    let (start, end) = (x + 2 * label, x + width - (high.count + 1) * label)
    canvas.text("0", x: x, y: y, size: letter)
    for place in start..<max(start, end) {
      let level = Float(place - start) / Float(max(1, end - start - 1))
      for row in 0..<PixelFont.height * letter {
        canvas.fill(x: place, y: y + row, Colour.heat(level))
      }
    }
    canvas.text(high, x: end + label, y: y, size: letter)
    canvas.text(
      "OF THE IMAGES' WHITE", x: x, y: y + lineHeight, size: letter, maximumX: x + width)
  }

  private static func text(_ value: Double, _ digits: Int) -> String {
    value.isFinite ? String(format: "%.\(digits)f", value) : (value > 0 ? "INF" : "-")
  }
}
