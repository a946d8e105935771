import Compiler
import Evaluation
import Foundation

/// Timed kernels for people: a table, or a chart of times and rates under each kernel's roofline.
struct LayerReport {
  let net: String
  let threads: Int
  /// The peaks first, then the kernels in the order in which they run.
  let rows: [Benchmark.Layer]

  var text: String {
    let lines = rows.map { row in
      "\(BenchCommand.milliseconds(row.medianSeconds))  \(Self.number(row.gflops, 8))"
        + "  \(Self.percent(row.peakShare))  \(Self.right(row.bound?.rawValue ?? "", 10))"
        + "  \(Self.percent(row.roofShare))  \(row.kernel)"
    }
    return (["       time   GFLOP/s   of peak       bound  of bound  kernel"] + lines)
      .joined(separator: "\n")
  }

  private static func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }

  private static func number(_ value: Double?, _ width: Int) -> String {
    right(value.map { String(format: "%.1f", $0) } ?? "", width)
  }

  private static func percent(_ share: Double?) -> String {
    right(share.map { String(format: "%.1f %%", $0 * 100) } ?? "", 8)
  }

  // MARK: Page

  private static let (line, labels, chart) = (26.0, 420.0, 520.0)

  private var kernels: ArraySlice<Benchmark.Layer> { rows.drop { $0.bound == nil } }

  /// A self-contained page: a bar for each kernel's time, its dark part the time of its bound.
  var html: String {
    let total = kernels.reduce(0) { $0 + $1.medianSeconds }
    let peaks = rows.filter { $0.bound == nil }.map(Self.peak).joined(separator: ", ")
    return """
      <!DOCTYPE html>
      <html lang="en"><head><meta charset="utf-8"><title>Kernels of \(HTML.escaped(net))</title>
      <style>
      body { font: 14px sans-serif; margin: 2em; }
      text { font: 12px sans-serif; }
      </style></head><body>
      <h1>Kernels of \(HTML.escaped(net))</h1>
      <p>\(threads) thread\(threads == 1 ? "" : "s"), \(String(format: "%.3f", total * 1000)) ms in all; \(peaks).</p>
      <p>Each bar is the time of one kernel run alone. Its dark part is the least time that its bound allows: the
      multiplications of its algorithm at the FMA peak (blue), or its data, read and written once, at the rate of a
      copy (orange). GFLOP/s count the direct algorithm's multiplications and additions, so Winograd's can exceed the
      peak.</p>
      \(picture)
      </body></html>

      """
  }

  private static func peak(_ row: Benchmark.Layer) -> String {
    if let rate = row.gflops { return String(format: "FMA peak %.1f GFLOP/s", rate) }
    return String(format: "copy %.1f GB/s", (row.gbytes ?? 0) / max(row.medianSeconds, 1e-12))
  }

  private var picture: String {
    let longest = kernels.map(\.medianSeconds).max() ?? 1
    let height = Double(kernels.count) * Self.line + 4
    let width = Self.labels + Self.chart + 190
    let bars = kernels.enumerated().map { bar($0.element, Double($0.offset), longest) }
    return "<svg width=\"\(width)\" height=\"\(height)\" xmlns=\"http://www.w3.org/2000/svg\">\n"
      + bars.joined(separator: "\n") + "\n</svg>"
  }

  private func bar(_ row: Benchmark.Layer, _ place: Double, _ longest: Double) -> String {
    let (y, x) = (place * Self.line, Self.labels)
    let width = row.medianSeconds / longest * Self.chart
    let least = min(1, row.roofShare ?? 0) * width
    let (light, dark) = row.bound == .memory ? ("#f6c999", "#d9822b") : ("#a9c8ec", "#2f6db5")
    let rate = row.gflops.map { String(format: ", %.0f GFLOP/s", $0) } ?? ""
    let share =
      String(format: "%.3f ms", row.medianSeconds * 1000) + rate
      + String(format: ", %.0f %%", (row.roofShare ?? 0) * 100)
    let name = HTML.escaped(Self.shortened(row.kernel))
    return """
      <text x="\(x - 8)" y="\(y + 17)" text-anchor="end">\(name)<title>\(HTML.escaped(row.kernel))</title></text>\
      <rect x="\(x)" y="\(y + 3)" width="\(width)" height="20" fill="\(light)"/>\
      <rect x="\(x)" y="\(y + 3)" width="\(least)" height="20" fill="\(dark)"/>\
      <text x="\(x + width + 6)" y="\(y + 17)">\(share)</text>
      """
  }

  private static func shortened(_ name: String) -> String {
    name.count <= 56 ? name : name.prefix(26) + "…" + name.suffix(29)
  }
}
