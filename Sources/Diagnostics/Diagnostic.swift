/// A place in a text: a model dump, a Swift file, a weight file.
public struct SourceLocation: Hashable, Sendable, CustomStringConvertible {
  public var file: String
  /// Counted from 1; 0 where only the file is known.
  public var line: Int
  /// Counted from 1; 0 where only the line is known.
  public var column: Int

  public init(file: String, line: Int = 0, column: Int = 0) {
    self.file = file
    self.line = line
    self.column = column
  }

  public var description: String {
    if line == 0 { return file }
    return column == 0 ? "\(file):\(line)" : "\(file):\(line):\(column)"
  }
}

/// The one way in which Rephase says that something cannot be done: what is wrong, where, and what to do about it.
///
/// The command line prints it as `error: <message> (<location>)` and a `help:` line.
public struct Diagnostic: Error, Hashable, Sendable, CustomStringConvertible {
  public var message: String
  public var location: SourceLocation?
  /// The remedy, in the imperative.
  public var help: String?
  /// Further facts, a line each.
  public var notes: [String]

  public init(
    _ message: String, at location: SourceLocation? = nil, help: String? = nil,
    notes: [String] = []
  ) {
    self.message = message
    self.location = location
    self.help = help
    self.notes = notes
  }

  public var description: String {
    var text = "error: " + Self.line(message)
    if let location { text += " (" + Self.line(location.description) + ")" }
    for note in notes { text += "\nnote: " + Self.line(note) }
    if let help { text += "\nhelp: " + Self.line(help) }
    return text
  }

  /// One line that a terminal can show: names from hostile files may hold anything and be of any length.
  ///
  /// Control characters are written as Swift escapes, and the end of what is too long is left out.
  public static func line(_ text: String) -> String {
    let limit = 1000
    var shown = ""
    for scalar in text.unicodeScalars.prefix(limit) {
      let isControl =
        scalar.properties.generalCategory == .control
        || scalar.properties.generalCategory == .format
      shown += isControl ? "\\u{\(String(scalar.value, radix: 16))}" : String(scalar)
    }
    let rest = text.unicodeScalars.count - limit
    return rest > 0 ? shown + "... (\(rest) characters more)" : shown
  }

  /// The same diagnostic with a place, if it had none.
  public func located(at place: SourceLocation?) -> Diagnostic {
    var copy = self
    if copy.location == nil { copy.location = place }
    return copy
  }
}
