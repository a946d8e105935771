/// A table of a report, as HTML, CSV and LaTeX; the first column holds names.
public struct ReportTable: Sendable, Equatable {
  public let caption: String
  public let header: [String]
  public private(set) var rows: [[String]] = []
  /// Whether a row is set in bold.
  private var emphasized: Set<Int> = []

  public init(caption: String, header: [String]) { (self.caption, self.header) = (caption, header) }

  /// A row of as many fields as the header has.
  public mutating func add(_ row: [String], isBold: Bool = false) {
    precondition(row.count == header.count, "a row of \(row.count) fields under \(header.count)")
    if isBold { emphasized.insert(rows.count) }
    rows.append(row)
  }

  public var csv: String { CSVTable.text([header] + rows) }

  /// With the rules of the package booktabs.
  public var latex: String {
    let columns = "l" + String(repeating: "r", count: header.count - 1)
    let lines = [header] + rows
    var body = lines.enumerated().map { index, row in
      let cells = row.map {
        emphasized.contains(index - 1) ? "\\textbf{\(Self.tex($0))}" : Self.tex($0)
      }
      return "  " + cells.joined(separator: " & ") + " \\\\"
    }
    body.insert("  \\midrule", at: 1)
    return """
      \\begin{table}
        \\centering
        \\caption{\(Self.tex(caption))}
        \\begin{tabular}{\(columns)}
        \\toprule
      \(body.joined(separator: "\n"))
        \\bottomrule
        \\end{tabular}
      \\end{table}

      """
  }

  var html: String {
    func row(_ fields: [String], _ tag: String, isBold: Bool) -> String {
      let cells = fields.map { "<\(tag)>\(HTML.escaped($0))</\(tag)>" }.joined()
      return isBold ? "<tr class=\"bold\">\(cells)</tr>" : "<tr>\(cells)</tr>"
    }
    let body = rows.enumerated().map { row($1, "td", isBold: emphasized.contains($0)) }
    return """
      <table>
      <caption>\(HTML.escaped(caption))</caption>
      <thead>\(row(header, "th", isBold: false))</thead>
      <tbody>\(body.joined(separator: "\n"))</tbody>
      </table>
      """
  }

  private static func tex(_ text: String) -> String {
    var result = ""
    for character in text {
      switch character {
      case "&", "%", "$", "#", "_", "{", "}": result += "\\\(character)"
      case "\\": result += "\\textbackslash{}"
      case "~": result += "\\textasciitilde{}"
      case "^": result += "\\textasciicircum{}"
      case "<": result += "\\textless{}"
      case ">": result += "\\textgreater{}"
      default: result.append(character)
      }
    }
    return result
  }
}
