import Diagnostics

/// The rows of a comma-separated file (RFC 4180) with a header line; it keeps the line of each row for messages.
public struct CSVTable: Sendable {
  public struct Row: Sendable {
    public let fields: [String]
    /// Counted from 1.
    public let line: Int
  }

  public let header: [String]
  public let rows: [Row]

  /// Throws where quotes are unbalanced, text is not UTF-8, or a row has more or fewer fields than the header.
  public init(_ bytes: [UInt8], at path: String) throws(Diagnostic) {
    var bytes = bytes[...]
    // The mark that spreadsheets put before UTF-8.
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes = bytes.dropFirst(3) }
    guard let text = String(validating: bytes, as: UTF8.self), !text.utf8.contains(0) else {
      throw Diagnostic(
        "this is no text in UTF-8", at: SourceLocation(file: path), help: "save it as CSV, UTF-8")
    }
    var scanner = CSVScanner(text, path: path)
    let all = try scanner.rows()
    guard let first = all.first else {
      throw Diagnostic("the file is empty", at: SourceLocation(file: path))
    }
    for row in all where row.fields.count != first.fields.count {
      throw Diagnostic(
        "the row has \(row.fields.count) fields, but the header has \(first.fields.count)",
        at: SourceLocation(file: path, line: row.line))
    }
    (header, rows) = (first.fields, Array(all.dropFirst()))
  }

  /// A field as the file needs it: in quotes where it holds a separator.
  public static func quoted(_ field: String) -> String {
    guard field.contains(where: { ",\"\n\r".contains($0) || $0.isNewline }) else { return field }
    return "\"" + field.replacing("\"", with: "\"\"") + "\""
  }

  public static func text(_ rows: [[String]]) -> String {
    rows.map { $0.map(quoted).joined(separator: ",") + "\n" }.joined()
  }
}

private struct CSVScanner {
  private let text: [Unicode.Scalar]
  private let path: String
  private var position = 0
  private var line = 1

  init(_ text: String, path: String) {
    (self.text, self.path) = (Array(text.unicodeScalars), path)
  }

  /// All rows that are not blank.
  mutating func rows() throws(Diagnostic) -> [CSVTable.Row] {
    var rows: [CSVTable.Row] = []
    while position < text.count {
      let start = line
      let fields = try row()
      if fields != [""] { rows.append(CSVTable.Row(fields: fields, line: start)) }
    }
    return rows
  }

  private mutating func row() throws(Diagnostic) -> [String] {
    var fields: [String] = []
    repeat { fields.append(try field()) } while skip(",")
    if skip("\r") { _ = skip("\n") } else { _ = skip("\n") }
    line += 1
    return fields
  }

  private mutating func field() throws(Diagnostic) -> String {
    guard skip("\"") else {
      let start = position
      while position < text.count, !",\r\n".unicodeScalars.contains(text[position]) {
        position += 1
      }
      return string(start, position).trimmed
    }
    let (start, place) = (position, SourceLocation(file: path, line: line))
    while position < text.count {
      if text[position] == "\n" { line += 1 }
      if skip("\"") {
        guard position < text.count, text[position] == "\"" else { return try closed(start) }
      }
      position += 1
    }
    throw Diagnostic("the quotes of this field are not closed", at: place)
  }

  /// What lies between quotes; only a separator may follow them.
  private func closed(_ start: Int) throws(Diagnostic) -> String {
    guard position == text.count || ",\r\n".unicodeScalars.contains(text[position]) else {
      throw Diagnostic(
        "text follows the closing quotes of a field", at: SourceLocation(file: path, line: line))
    }
    return string(start, position - 1).replacing("\"\"", with: "\"")
  }

  private mutating func skip(_ scalar: Unicode.Scalar) -> Bool {
    guard position < text.count, text[position] == scalar else { return false }
    position += 1
    return true
  }

  private func string(_ start: Int, _ end: Int) -> String {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: text[start..<end])
    return String(view)
  }
}

extension String {
  /// Without blanks at its ends.
  fileprivate var trimmed: String {
    var part = self[...]
    while part.first == " " || part.first == "\t" { part = part.dropFirst() }
    while part.last == " " || part.last == "\t" { part = part.dropLast() }
    return String(part)
  }
}
