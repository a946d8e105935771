import Diagnostics
import Foundation
import Tensors

/// An HTML file with tables and figures that needs no network, and the same as separate files beside it.
public struct Report: Sendable {
  private enum Part: Sendable {
    case heading(String)
    case text(String)
    case table(name: String, ReportTable)
    case figure(name: String, caption: String, Figure)
  }

  private let title: String
  private var parts: [Part] = []

  public init(title: String) { self.title = title }

  public mutating func add(heading: String) { parts.append(.heading(heading)) }

  public mutating func add(text: String) { parts.append(.text(text)) }

  /// `name` is that of the files, without ending.
  public mutating func add(_ table: ReportTable, name: String) {
    parts.append(.table(name: name, table))
  }

  public mutating func add(_ figure: Figure, name: String, caption: String) {
    parts.append(.figure(name: name, caption: caption, figure))
  }

  /// Writes report.html, tables as .csv and .tex, figures as .png and .svg, and `json` as results.json.
  ///
  /// Makes the directory where it is missing; nothing is written before all is drawn.
  public func write(to directory: String, json: String) throws(Diagnostic) {
    var files: [(name: String, bytes: [UInt8])] = [
      ("report.html", Array(try html().utf8)), ("results.json", Array(json.utf8)),
    ]
    for part in parts {
      switch part {
      case .heading, .text: break
      case .table(let name, let table):
        files.append((name + ".csv", Array(table.csv.utf8)))
        files.append((name + ".tex", Array(table.latex.utf8)))
      case .figure(let name, _, let figure):
        files.append((name + ".svg", try figure.svg()))
        files.append((name + ".png", try figure.png()))
      }
    }
    try AtomicFile.makeDirectory(directory)
    for file in files { try AtomicFile.write(file.bytes, to: directory + "/" + file.name) }
  }

  /// The text of report.html.
  public func html() throws(Diagnostic) -> String {
    var body: [String] = []
    for part in parts { body.append(try Self.html(part)) }
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <title>\(HTML.escaped(title))</title>
      <style>
      \(Self.style)
      </style>
      </head>
      <body>
      <h1>\(HTML.escaped(title))</h1>
      \(body.joined(separator: "\n"))
      </body>
      </html>

      """
  }

  private static func html(_ part: Part) throws(Diagnostic) -> String {
    switch part {
    case .heading(let text): return "<h2>\(HTML.escaped(text))</h2>"
    case .text(let text): return "<p>\(HTML.escaped(text))</p>"
    case .table(_, let table): return table.html
    case .figure(_, let caption, let figure):
      let data = Data(try figure.svg()).base64EncodedString()
      let alternative = HTML.escaped(caption)
      return """
        <figure>
        <img alt="\(alternative)" width="\(Int(figure.width))" src="data:image/svg+xml;base64,\(data)">
        <figcaption>\(alternative)</figcaption>
        </figure>
        """
    }
  }

  private static let style = """
    body { font: 15px/1.45 system-ui, sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em;
      color: #222; }
    table { border-collapse: collapse; margin: 1.2em 0; }
    caption { text-align: left; font-weight: 600; padding-bottom: .4em; }
    th, td { padding: .25em .8em; text-align: right; border-bottom: 1px solid #ddd; }
    th:first-child, td:first-child { text-align: left; }
    thead th { border-bottom: 2px solid #444; }
    tr.bold { font-weight: 600; }
    figure { margin: 1.5em 0; }
    img { max-width: 100%; height: auto; }
    figcaption { color: #555; }
    """
}
