import CCairo

/// A rectangle in points, y downwards.
struct Box: Sendable, Equatable {
  var x: Double
  var y: Double
  var width: Double
  var height: Double

  var right: Double { x + width }
  var bottom: Double { y + height }
  var middle: Point { Point(x: x + width / 2, y: y + height / 2) }

  func inset(_ by: Double) -> Box {
    Box(x: x + by, y: y + by, width: width - 2 * by, height: height - 2 * by)
  }
}

struct Point: Sendable, Equatable {
  var x: Double
  var y: Double
}

/// Red, green, blue from 0 to 1.
struct Ink: Sendable, Equatable {
  let red: Double
  let green: Double
  let blue: Double

  init(_ red: Double, _ green: Double, _ blue: Double) {
    (self.red, self.green, self.blue) = (red, green, blue)
  }

  static let white = Ink(1, 1, 1)
  static let black = Ink(0, 0, 0)
  static let text = grey(0.13)
  static let faint = grey(0.87)

  static func grey(_ level: Double) -> Ink { Ink(level, level, level) }

  /// Colours that readers with any colour vision tell apart (Okabe and Ito 2008); they repeat after
  /// `seriesCount`.
  static func series(_ index: Int) -> Ink { palette[index % palette.count] }
  static var seriesCount: Int { palette.count }

  private static let palette = [
    Ink(0, 0.447, 0.698), Ink(0.835, 0.369, 0), Ink(0, 0.62, 0.451), Ink(0.8, 0.475, 0.655),
    Ink(0.902, 0.624, 0), Ink(0.337, 0.706, 0.914), grey(0.35),
  ]

  /// Part of the way to another colour.
  func mixed(_ other: Ink, _ part: Double) -> Ink {
    Ink(
      red + (other.red - red) * part, green + (other.green - green) * part,
      blue + (other.blue - blue) * part)
  }
}

/// What figures are made of, over one Cairo context that outlives it.
final class Drawing {
  enum Anchor {
    case start
    case middle
    case end
  }

  let context: OpaquePointer?

  init(_ context: OpaquePointer?) { self.context = context }

  func fill(_ box: Box, _ ink: Ink) {
    use(ink)
    cairo_rectangle(context, box.x, box.y, box.width, box.height)
    cairo_fill(context)
  }

  func frame(_ box: Box, _ ink: Ink, width: Double = 1) {
    pen(ink, width: width, dashes: [])
    cairo_rectangle(context, box.x, box.y, box.width, box.height)
    cairo_stroke(context)
  }

  /// A line through the points; those that are not finite interrupt it.
  func line(_ points: [Point], _ ink: Ink, width: Double = 1, dashes: [Double] = []) {
    pen(ink, width: width, dashes: dashes)
    cairo_new_path(context)
    for point in points {
      guard point.x.isFinite, point.y.isFinite else {
        cairo_new_sub_path(context)
        continue
      }
      cairo_line_to(context, point.x, point.y)
    }
    cairo_stroke(context)
  }

  /// A disc with an edge.
  func disc(_ centre: Point, radius: Double, _ ink: Ink, edge: Ink? = nil) {
    use(ink)
    cairo_new_path(context)
    cairo_arc(context, centre.x, centre.y, radius, 0, 2 * Double.pi)
    guard let edge else { return cairo_fill(context) }
    cairo_fill_preserve(context)
    pen(edge, width: 1.2, dashes: [])
    cairo_stroke(context)
  }

  /// Text whose baseline starts, has its middle, or ends at a point; `angle` turns it clockwise, in radians.
  func text(
    _ text: String, at point: Point, size: Double = 11, anchor: Anchor = .start,
    _ ink: Ink = .text, isBold: Bool = false, angle: Double = 0
  ) {
    select(size: size, isBold: isBold)
    use(ink)
    let part = anchor == .start ? 0 : anchor == .middle ? 0.5 : 1
    cairo_save(context)
    cairo_translate(context, point.x, point.y)
    cairo_rotate(context, angle)
    cairo_move_to(context, -part * advance(text), 0)
    cairo_show_text(context, text)
    cairo_restore(context)
  }

  /// The text, or as much of it as fits into a width, with dots at its end.
  func fitted(_ text: String, width: Double, size: Double = 11) -> String {
    select(size: size, isBold: false)
    guard advance(text) > width else { return text }
    var part = text[...]
    while part.count > 1, advance(part + "\u{2026}") > width { part = part.dropLast() }
    return part + "\u{2026}"
  }

  /// An image [row, column] of colours that fills a box, its pixels as squares.
  func image(_ pixels: [Ink], columns: Int, in box: Box) {
    let rows = pixels.count / columns
    let surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, Int32(columns), Int32(rows))
    defer { cairo_surface_destroy(surface) }
    guard let data = cairo_image_surface_get_data(surface) else { return }
    let stride = Int(cairo_image_surface_get_stride(surface))
    func byte(_ level: Double) -> UInt32 { UInt32((min(max(level, 0), 1) * 255).rounded()) }
    for (index, ink) in pixels.enumerated() {
      let word = byte(ink.red) << 16 | byte(ink.green) << 8 | byte(ink.blue)
      let offset = index / columns * stride + index % columns * 4
      UnsafeMutableRawPointer(data).storeBytes(of: word, toByteOffset: offset, as: UInt32.self)
    }
    cairo_surface_mark_dirty(surface)
    cairo_save(context)
    cairo_translate(context, box.x, box.y)
    cairo_scale(context, box.width / Double(columns), box.height / Double(rows))
    cairo_set_source_surface(context, surface, 0, 0)
    cairo_pattern_set_filter(cairo_get_source(context), CAIRO_FILTER_NEAREST)
    cairo_paint(context)
    cairo_restore(context)
  }

  private func advance(_ text: String) -> Double {
    var extents = cairo_text_extents_t()
    cairo_text_extents(context, text, &extents)
    return extents.x_advance
  }

  private func select(size: Double, isBold: Bool) {
    cairo_select_font_face(
      context, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL,
      isBold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL)
    cairo_set_font_size(context, size)
  }

  private func use(_ ink: Ink) { cairo_set_source_rgb(context, ink.red, ink.green, ink.blue) }

  private func pen(_ ink: Ink, width: Double, dashes: [Double]) {
    use(ink)
    cairo_set_line_width(context, width)
    cairo_set_line_join(context, CAIRO_LINE_JOIN_ROUND)
    cairo_set_dash(context, dashes, Int32(dashes.count), 0)
  }
}
