import CCairo
import Diagnostics
import Tensors

/// A picture of a size in points that is drawn the same way as PNG and as SVG.
public struct Figure: Sendable {
  public let width: Double
  public let height: Double
  let draw: @Sendable (Drawing) -> Void

  /// Pixels of the PNG along a point.
  public static let pixelsPerPoint = 2.0
  /// Points; Cairo's pictures have at most 32767 pixels a side.
  private static let largestSide = 16_000.0

  /// Throws where a side is larger than can be drawn.
  init(
    width: Double, height: Double, draw: @escaping @Sendable (Drawing) -> Void
  ) throws(Diagnostic) {
    guard max(width, height) <= Self.largestSide else {
      throw Diagnostic(
        "a figure of \(Int(width)) x \(Int(height)) points is too large to be drawn",
        help: "show fewer images or techniques")
    }
    (self.width, self.height, self.draw) = (width.rounded(), height.rounded(), draw)
  }

  /// The bytes of a PNG file.
  public func png() throws(Diagnostic) -> [UInt8] {
    let scale = Self.pixelsPerPoint
    let surface = cairo_image_surface_create(
      CAIRO_FORMAT_RGB24, Int32(width * scale), Int32(height * scale))
    defer { cairo_surface_destroy(surface) }
    try paint(surface, scale: scale)
    var bytes: [UInt8] = []
    let status = withUnsafeMutablePointer(to: &bytes) {
      cairo_surface_write_to_png_stream(surface, Self.append, $0)
    }
    try check(status)
    return bytes
  }

  /// The text of an SVG file, letters as outlines.
  public func svg() throws(Diagnostic) -> [UInt8] {
    var bytes: [UInt8] = []
    try withUnsafeMutablePointer(to: &bytes) { (pointer) throws(Diagnostic) in
      let surface = cairo_svg_surface_create_for_stream(Self.append, pointer, width, height)
      defer { cairo_surface_destroy(surface) }
      try paint(surface, scale: 1)
      cairo_surface_finish(surface)
      try check(cairo_surface_status(surface))
    }
    return bytes
  }

  /// As PNG or SVG, by the ending of the path.
  public func write(to path: String) throws(Diagnostic) {
    try AtomicFile.write(path.lowercased().hasSuffix(".svg") ? try svg() : try png(), to: path)
  }

  private func paint(_ surface: OpaquePointer?, scale: Double) throws(Diagnostic) {
    let context = cairo_create(surface)
    defer { cairo_destroy(context) }
    cairo_scale(context, scale, scale)
    let drawing = Drawing(context)
    drawing.fill(Box(x: 0, y: 0, width: width, height: height), .white)
    draw(drawing)
    try check(cairo_status(context))
  }

  private func check(_ status: cairo_status_t) throws(Diagnostic) {
    guard status != CAIRO_STATUS_SUCCESS else { return }
    throw Diagnostic(
      "the figure cannot be drawn: \(String(cString: cairo_status_to_string(status)))")
  }

  /// Adds what Cairo writes to the array of bytes that the closure points to.
  private static let append: cairo_write_func_t = { closure, data, count in
    guard let closure, let data else { return CAIRO_STATUS_WRITE_ERROR }
    closure.assumingMemoryBound(to: [UInt8].self).pointee
      .append(contentsOf: UnsafeBufferPointer(start: data, count: Int(count)))
    return CAIRO_STATUS_SUCCESS
  }
}
