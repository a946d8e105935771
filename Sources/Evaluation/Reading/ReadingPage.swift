import Diagnostics
import Foundation

/// What readers are told and how images move.
public struct ReadingStyle: Sendable, Equatable {
  public var title = "Image reading"
  /// Shown beside the images. The wording is ours: Table 1 of Ghodrati 2019 is not public.
  public var criteria = [
    "Sharpness: borders of the heart's walls, papillary muscles and vessels are crisp.",
    "Artifacts: no aliasing, ghosts or streaks over the heart.",
    "Noise and texture: little noise, and no painted or blotchy look.",
    "Motion: in cine series walls and valves move naturally, without flicker.",
  ]
  public var framesPerSecond = 20.0
  /// Whether images of a case may share a rank.
  public var allowsTies = false

  public init() {}
}

/// One reader's page: a single HTML file that needs no network and names neither techniques nor cases.
///
/// Images are sent as plain 8-bit values of equal length on one scale a case, so that neither their size nor their
/// brightness tells techniques apart.
public struct ReadingPage {
  private struct Content: Encodable {
    struct Case: Encodable {
      var code: String
      var frames: Int
      var rows: Int
      var columns: Int
      /// The level that is shown white at first, 1 to 255.
      var white: Int
      /// Base64 of [frame, row, column], an image series each.
      var items: [String]
    }

    var reader: String
    var title: String
    var criteria: [String]
    var framesPerSecond: Double
    var allowsTies: Bool
    var cases: [Case]
  }

  private let content: Content

  /// The page of the `reader`-th reader of a session.
  public init(_ session: ReadingSession, reader: Int) {
    let order = session.key.readers[reader]
    let byName = Dictionary(uniqueKeysWithValues: session.cases.map { ($0.name, $0) })
    let cases = order.cases.compactMap { drawn in
      byName[drawn.name].map { Self.content($0, drawn, techniques: session.techniques) }
    }
    content = Content(
      reader: order.name, title: session.style.title, criteria: session.style.criteria,
      framesPerSecond: session.style.framesPerSecond, allowsTies: session.style.allowsTies,
      cases: cases)
  }

  private static func content(
    _ item: ReadingSession.Case, _ drawn: ReadingKey.Case, techniques: [String]
  ) -> Content.Case {
    let values = item.series.map { series in (0..<series.frames).flatMap { series.frame($0) } }
    let sorted = values.joined().sorted()
    let top = sorted.last ?? 0
    // Infinite for numbers that are all but zero.
    let factor = 255 / top
    let scale = top > 0 && factor.isFinite ? factor : 0
    let common = sorted.isEmpty ? 0 : sorted[(sorted.count - 1) * 995 / 1000]
    let items = drawn.order.compactMap { techniques.firstIndex(of: $0) }.map { place in
      let bytes = values[place].map { UInt8(min(max($0 * scale, 0), 255).rounded()) }
      return Data(bytes).base64EncodedString()
    }
    return Content.Case(
      code: drawn.code, frames: item.series[0].frames, rows: item.series[0].rows,
      columns: item.series[0].columns, white: max(1, Int((common * scale).rounded())), items: items)
  }

  public func html() throws(Diagnostic) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let json: String
    do { json = String(decoding: try encoder.encode(content), as: UTF8.self) } catch {
      throw Diagnostic("the page cannot be written: \(error.localizedDescription)")
    }
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta http-equiv="Content-Security-Policy"
        content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'">
      <title>\(HTML.escaped(content.title))</title>
      <style>
      \(Self.style)
      </style>
      </head>
      <body>
      \(Self.body)
      <script id="content" type="application/json">\(HTML.script(json))</script>
      <script>
      \(Self.program)
      </script>
      </body>
      </html>

      """
  }
}
