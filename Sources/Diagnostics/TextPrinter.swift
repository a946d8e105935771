/// Builds an indented text, two spaces a level.
public struct TextPrinter: Sendable {
  public private(set) var text = ""
  private var depth = 0

  public init() {}

  public mutating func line(_ content: String = "") {
    if !content.isEmpty {
      text += String(repeating: "  ", count: depth)
      text += content
    }
    text += "\n"
  }

  /// Prints `header {`, the indented content, and `}` followed by `trailer`.
  public mutating func block(
    _ header: String, trailer: String = "", _ content: (inout TextPrinter) -> Void
  ) {
    line(header + " {")
    indented(content)
    line("}" + trailer)
  }

  /// Prints the content one level deeper: what follows a `trailer` that opens another block.
  public mutating func indented(_ content: (inout TextPrinter) -> Void) {
    depth += 1
    content(&self)
    depth -= 1
  }

  /// A string literal as the lexer reads it back; ends of lines become blanks.
  public static func quoted(_ string: String) -> String {
    var quoted = String.UnicodeScalarView()
    for scalar in string.unicodeScalars {
      if scalar == "\"" || scalar == "\\" { quoted.append("\\") }
      quoted.append(scalar == "\n" ? " " : scalar)
    }
    return "\"\(String(quoted))\""
  }

  /// A floating constant as the lexer reads it back: shortest digits, always with a point or exponent.
  public static func real(_ value: Double) -> String {
    if value.isNaN { return "nan" }
    if value.isInfinite { return value < 0 ? "-inf" : "inf" }
    return "\(value)"
  }
}
