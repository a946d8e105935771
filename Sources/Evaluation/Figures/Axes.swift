import Foundation

/// A linear scale between data and points, with round numbers as ticks.
struct Scale: Sendable {
  let range: ClosedRange<Double>
  let ticks: [Double]

  /// Values beyond are drawn at the edge, so that differences do not overflow.
  private static let largest = 1e300

  /// Holds all finite values, between ticks at 1, 2 or 5 times a power of ten.
  init(holding values: some Sequence<Double>, ticks wanted: Int = 6) {
    let finite = values.filter(\.isFinite).map { min(max($0, -Self.largest), Self.largest) }
    var (low, high) = (finite.min() ?? 0, finite.max() ?? 1)
    let size = max(abs(low), abs(high))
    // Values that ticks could not tell apart are drawn as if they were equal.
    if high - low <= max(size * 1e-12, 1e-290) {
      (low, high) = (low - max(size, 1) / 2, high + max(size, 1) / 2)
    }
    let step = Self.step((high - low) / Double(wanted))
    let first = (low / step + 1e-9).rounded(.down)
    let last = (high / step - 1e-9).rounded(.up)
    ticks = (0...Int(last - first)).map { (first + Double($0)) * step }
    range = ticks[0]...ticks[ticks.count - 1]
  }

  private static func step(_ rough: Double) -> Double {
    let power = pow(10, log10(rough).rounded(.down))
    let factor = rough / power
    return power * (factor <= 1 ? 1 : factor <= 2 ? 2 : factor <= 5 ? 5 : 10)
  }

  /// 0 at the lower end, 1 at the upper.
  func part(_ value: Double) -> Double {
    (min(max(value, range.lowerBound), range.upperBound) - range.lowerBound)
      / (range.upperBound - range.lowerBound)
  }

  /// The shortest decimals that tell the ticks apart; powers of ten where they would be many.
  func label(_ tick: Double) -> String {
    let step = ticks.count > 1 ? ticks[1] - ticks[0] : 1
    let digits = max(0, Int((-log10(step) - 1e-9).rounded(.up)))
    guard digits <= 9, abs(tick) < 1e9 else { return String(format: "%g", tick) }
    let text = String(format: "%.\(digits)f", tick)
    return text.hasPrefix("-") && Double(text) == 0 ? String(text.dropFirst()) : text
  }
}

extension Scale {
  /// The points that labels of size 10 take, by the width of the font's digits; its other signs are no wider.
  var labelWidth: Double { Double(ticks.map { label($0).count }.max() ?? 0) * 6.4 }
}

/// The frame of a plot: where data lie, grid, ticks and labels.
struct Axes: Sendable {
  let box: Box
  let vertical: Scale
  /// Nil where the horizontal axis has names.
  var horizontal: Scale?

  /// How far left of the box its labels and title reach.
  static func margin(_ vertical: Scale) -> Double { titleDistance(vertical) + 24 }

  private static func titleDistance(_ vertical: Scale) -> Double {
    max(42, vertical.labelWidth + 10)
  }

  func y(_ value: Double) -> Double { box.bottom - vertical.part(value) * box.height }

  func x(_ value: Double) -> Double { box.x + (horizontal?.part(value) ?? 0) * box.width }

  /// The middle of the `index`-th of `count` equal parts of the width.
  func slot(_ index: Int, of count: Int) -> Double {
    box.x + (Double(index) + 0.5) * box.width / Double(count)
  }

  func draw(on drawing: Drawing, vertical label: String, horizontal other: String = "") {
    for tick in vertical.ticks {
      drawing.line([Point(x: box.x, y: y(tick)), Point(x: box.right, y: y(tick))], .faint)
      drawing.text(
        vertical.label(tick), at: Point(x: box.x - 6, y: y(tick) + 4), size: 10, anchor: .end)
    }
    for tick in horizontal?.ticks ?? [] {
      drawing.line([Point(x: x(tick), y: box.y), Point(x: x(tick), y: box.bottom)], .faint)
      drawing.text(
        horizontal?.label(tick) ?? "", at: Point(x: x(tick), y: box.bottom + 15), size: 10,
        anchor: .middle)
    }
    drawing.frame(box, .grey(0.4))
    drawing.text(
      label, at: Point(x: box.x - Self.titleDistance(vertical), y: box.middle.y), anchor: .middle,
      angle: -Double.pi / 2)
    drawing.text(other, at: Point(x: box.middle.x, y: box.bottom + 33), anchor: .middle)
  }
}
