import Compiler
import Evaluation
import Foundation

/// A memory map for people: a table, or a picture of the arena over time.
struct MemoryReport {
  let map: MemoryMap

  /// Sizes, then a line for each buffer, then the kernels' numbers.
  var text: String {
    var lines = [
      "arena \(map.arenaBytes) bytes, constants \(map.constantBytes) bytes, inputs and outputs \(map.hostBytes) bytes",
      "     offset        bytes  kernels  buffer",
    ]
    for buffer in map.buffers {
      let place = Self.right("\(buffer.offset)", 11) + Self.right("\(buffer.bytes)", 13)
      let life = Self.right("\(buffer.first)-\(buffer.last)", 9)
      lines.append("\(place)\(life)  \(buffer.name) \(buffer.shape)")
    }
    lines += map.kernels.enumerated().map { "kernel \($0) \($1)" }
    return lines.joined(separator: "\n")
  }

  private static func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }

  /// A self-contained page: kernels from left to right, the arena from its first byte at the top.
  var html: String {
    """
    <!DOCTYPE html>
    <html lang="en"><head><meta charset="utf-8"><title>Memory of \(HTML.escaped(map.net))</title>
    <style>
    body { font: 14px sans-serif; margin: 2em; }
    rect { stroke: #fff; stroke-width: 1.5; }
    text { font: 11px sans-serif; }
    td { padding: 0 1em 0 0; }
    </style></head><body>
    <h1>Memory of \(HTML.escaped(map.net))</h1>
    <p>Arena \(Self.megabytes(map.arenaBytes)), constants \(Self.megabytes(map.constantBytes)), inputs and outputs
    \(Self.megabytes(map.hostBytes)). Each box is an image between kernels: its height is its size, its width the
    kernels that need it.</p>
    \(picture)
    <table>
    \(map.kernels.enumerated().map { "<tr><td>\($0)</td><td>\(HTML.escaped($1))</td></tr>" }.joined(separator: "\n"))
    </table></body></html>

    """
  }

  private static let (column, height, margin, top) = (64.0, 480.0, 70.0, 24.0)

  private var picture: String {
    let width = Self.margin + Double(map.kernels.count) * Self.column
    var parts = [
      "<svg width=\"\(width + 10)\" height=\"\(Self.height + Self.top + 10)\" xmlns=\"http://www.w3.org/2000/svg\">"
    ]
    for number in map.kernels.indices {
      let x = Self.margin + (Double(number) + 0.5) * Self.column
      parts.append("<text x=\"\(x)\" y=\"14\" text-anchor=\"middle\">\(number)</text>")
    }
    for share in [0.0, 0.25, 0.5, 0.75, 1] {
      let y = Self.top + share * Self.height
      let label = Self.megabytes(Int(Double(map.arenaBytes) * share))
      parts.append("<text x=\"0\" y=\"\(y + 4)\">\(label)</text>")
      parts.append(
        "<line x1=\"\(Self.margin)\" y1=\"\(y)\" x2=\"\(width)\" y2=\"\(y)\" stroke=\"#ccc\"/>")
    }
    for (number, buffer) in map.buffers.enumerated() { parts.append(box(buffer, number)) }
    return (parts + ["</svg>"]).joined(separator: "\n")
  }

  private func box(_ buffer: MemoryMap.Buffer, _ number: Int) -> String {
    let scale = Self.height / Double(max(1, map.arenaBytes))
    let x = Self.margin + Double(buffer.first) * Self.column
    let y = Self.top + Double(buffer.offset) * scale
    let width = Double(buffer.last - buffer.first + 1) * Self.column
    let height = max(2, Double(buffer.bytes) * scale)
    let hue = number * 47 % 360
    let name = HTML.escaped(buffer.name)
    let label = height < 14 ? "" : "<text x=\"\(x + 4)\" y=\"\(y + 13)\">\(name)</text>"
    return """
      <rect x="\(x)" y="\(y)" width="\(width)" height="\(height)" fill="hsl(\(hue), 55%, 75%)">\
      <title>\(name) \(buffer.shape): \(Self.megabytes(buffer.bytes)) at \(buffer.offset)</title></rect>\(label)
      """
  }

  private static func megabytes(_ bytes: Int) -> String {
    String(format: "%.2f MB", Double(bytes) / 1e6)
  }
}
