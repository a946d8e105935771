/// One token of the IR texts.
public enum Token: Hashable, Sendable {
  /// A keyword, op name, attribute name or type such as `tensor`.
  case word(String)
  /// `%name`: a value, buffer or variable.
  case percent(String)
  /// `@name`: a function or kernel.
  case at(String)
  case integer(Int)
  case real(Double)
  case string(String)
  /// Punctuation: one of `( ) { } [ ] < > , : = ; + - * / ...` or one of the pairs in `Lexer.pairs`.
  case symbol(String)
  case end

  public var text: String {
    switch self {
    case .word(let name): return name
    case .percent(let name): return "%" + name
    case .at(let name): return "@" + name
    case .integer(let value): return "\(value)"
    case .real(let value): return "\(value)"
    case .string(let value): return "\"\(value)\""
    case .symbol(let symbol): return symbol
    case .end: return "end of text"
    }
  }
}

/// Splits an IR text into tokens; comments run from `//` to the end of the line.
///
/// Shared by the graph IR and the loop IR, so that both have one notation for names, numbers and strings.
public struct Lexer: Sendable {
  /// Symbols of two or three characters, longest first.
  static let pairs = ["..<", "->", "==", "!=", "<=", ">=", "&&", "||", "+="]

  private let bytes: [UInt8]
  private let file: String
  private var position = 0
  private var line = 1
  private var lineStart = 0

  /// The longest text that is read, in bytes: a dump holds no weights, so anything longer is not one.
  public static let maximumLength = 64 << 20
  /// The longest name, number or string, in bytes; so no message that shows one grows without bound.
  public static let maximumTokenLength = 4096

  public init(_ text: String, file: String) throws(Diagnostic) {
    bytes = Array(text.utf8)
    self.file = file
    if bytes.count > Self.maximumLength {
      throw Diagnostic(
        "the text has \(bytes.count) bytes, more than the \(Self.maximumLength) that are read",
        at: SourceLocation(file: file), help: "check that this is an IR dump")
    }
  }

  private var here: SourceLocation {
    SourceLocation(file: file, line: line, column: position - lineStart + 1)
  }

  /// The next token and where it starts.
  public mutating func next() throws(Diagnostic) -> (token: Token, location: SourceLocation) {
    skipBlanks()
    let location = here
    guard position < bytes.count else { return (.end, location) }
    let byte = bytes[position]
    if Self.isNameStart(byte) { return (.word(try name(at: location)), location) }
    if Self.isDigit(byte) { return (try number(at: location), location) }
    switch byte {
    case UInt8(ascii: "%"), UInt8(ascii: "@"):
      position += 1
      let text = try name(at: location)
      if text.isEmpty {
        throw Diagnostic(
          "a name must follow '\(Character(UnicodeScalar(byte)))'", at: location,
          help: "names consist of letters, digits, '_', '.' and '$'")
      }
      return (byte == UInt8(ascii: "%") ? .percent(text) : .at(text), location)
    case UInt8(ascii: "\""):
      return (.string(try string(at: location)), location)
    default:
      return (.symbol(try symbol(at: location)), location)
    }
  }

  private mutating func skipBlanks() {
    while position < bytes.count {
      let byte = bytes[position]
      if byte == UInt8(ascii: "\n") {
        position += 1
        line += 1
        lineStart = position
      } else if byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == 13 {
        position += 1
      } else if byte == UInt8(ascii: "/"), position + 1 < bytes.count,
        bytes[position + 1] == UInt8(ascii: "/")
      {
        while position < bytes.count, bytes[position] != UInt8(ascii: "\n") { position += 1 }
      } else {
        return
      }
    }
  }

  private mutating func name(at location: SourceLocation) throws(Diagnostic) -> String {
    let start = position
    while position < bytes.count, Self.isNamePart(bytes[position]) { position += 1 }
    return try text(from: start, at: location)
  }

  /// The bytes of a token from `start` to the position.
  private func text(from start: Int, at location: SourceLocation) throws(Diagnostic) -> String {
    try checkLength(position - start, at: location)
    return String(decoding: bytes[start..<position], as: UTF8.self)
  }

  private func checkLength(_ length: Int, at location: SourceLocation) throws(Diagnostic) {
    guard length <= Self.maximumTokenLength else {
      throw Diagnostic(
        "a name, number or string has more than \(Self.maximumTokenLength) bytes", at: location,
        help: "shorten it")
    }
  }

  private mutating func number(at location: SourceLocation) throws(Diagnostic) -> Token {
    let start = position
    var isReal = false
    while position < bytes.count {
      let byte = bytes[position]
      let next = position + 1 < bytes.count ? bytes[position + 1] : 0
      if Self.isDigit(byte) {
        position += 1
      } else if byte == UInt8(ascii: "."), Self.isDigit(next) {
        isReal = true
        position += 1
      } else if byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E") {
        isReal = true
        position += 1
        if position < bytes.count,
          bytes[position] == UInt8(ascii: "-") || bytes[position] == UInt8(ascii: "+")
        {
          position += 1
        }
      } else {
        break
      }
    }
    let text = try text(from: start, at: location)
    if isReal, let value = Double(text), value.isFinite { return .real(value) }
    if !isReal, let value = Int(text) { return .integer(value) }
    throw Diagnostic("'\(text)' is not a number that fits", at: location)
  }

  private mutating func string(at location: SourceLocation) throws(Diagnostic) -> String {
    position += 1
    var content: [UInt8] = []
    while position < bytes.count, bytes[position] != UInt8(ascii: "\n") {
      let byte = bytes[position]
      position += 1
      if byte == UInt8(ascii: "\"") { return String(decoding: content, as: UTF8.self) }
      try checkLength(content.count, at: location)
      if byte == UInt8(ascii: "\\"), position < bytes.count, bytes[position] != UInt8(ascii: "\n") {
        content.append(bytes[position])
        position += 1
      } else {
        content.append(byte)
      }
    }
    throw Diagnostic("the string is not closed", at: location, help: "add the missing '\"'")
  }

  private mutating func symbol(at location: SourceLocation) throws(Diagnostic) -> String {
    for pair in Self.pairs where bytes[position...].starts(with: pair.utf8) {
      position += pair.utf8.count
      return pair
    }
    let byte = bytes[position]
    position += 1
    guard "(){}[]<>,:=;+-*/!&|^#?".utf8.contains(byte) else {
      let shown = byte >= 32 && byte < 127 ? "'\(Character(UnicodeScalar(byte)))'" : "byte \(byte)"
      throw Diagnostic("\(shown) cannot stand here", at: location)
    }
    return String(Character(UnicodeScalar(byte)))
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
  }

  private static func isNameStart(_ byte: UInt8) -> Bool {
    (byte | 0x20) >= UInt8(ascii: "a") && (byte | 0x20) <= UInt8(ascii: "z")
      || byte == UInt8(ascii: "_")
  }

  private static func isNamePart(_ byte: UInt8) -> Bool {
    isNameStart(byte) || isDigit(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "$")
  }
}
