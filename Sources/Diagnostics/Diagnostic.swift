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
    var text = "error: \(message)"
    if let location { text += " (\(location))" }
    for note in notes { text += "\nnote: \(note)" }
    if let help { text += "\nhelp: \(help)" }
    return text
  }

  /// The same diagnostic with a place, if it had none.
  public func located(at place: SourceLocation?) -> Diagnostic {
    var copy = self
    if copy.location == nil { copy.location = place }
    return copy
  }
}
