/// A cursor over the tokens of one text, with the checks that every parser needs.
public struct TokenStream: Sendable {
  private var lexer: Lexer
  /// The token that comes next.
  public private(set) var token: Token
  /// Where `token` starts.
  public private(set) var location: SourceLocation

  public init(_ text: String, file: String) throws(Diagnostic) {
    lexer = try Lexer(text, file: file)
    (token, location) = try lexer.next()
  }

  /// Takes the next token, whatever it is.
  @discardableResult
  public mutating func take() throws(Diagnostic) -> Token {
    let taken = token
    (token, location) = try lexer.next()
    return taken
  }

  public func isAt(_ symbol: String) -> Bool { token == .symbol(symbol) }
  public func isAtWord(_ word: String) -> Bool { token == .word(word) }

  /// Takes the symbol if it comes next, and says whether it did.
  public mutating func takeIf(_ symbol: String) throws(Diagnostic) -> Bool {
    guard isAt(symbol) else { return false }
    try take()
    return true
  }

  /// Takes the word if it comes next, and says whether it did.
  public mutating func takeIfWord(_ word: String) throws(Diagnostic) -> Bool {
    guard isAtWord(word) else { return false }
    try take()
    return true
  }

  public mutating func expect(_ symbol: String) throws(Diagnostic) {
    guard try takeIf(symbol) else { throw unexpected("'\(symbol)'") }
  }

  public mutating func expectWord(_ word: String) throws(Diagnostic) {
    guard try takeIfWord(word) else { throw unexpected("'\(word)'") }
  }

  /// Any word: `what` names the role it plays, for the message.
  public mutating func word(_ what: String) throws(Diagnostic) -> String {
    guard case .word(let name) = token else { throw unexpected(what) }
    try take()
    return name
  }

  public mutating func percentName(_ what: String) throws(Diagnostic) -> String {
    guard case .percent(let name) = token else { throw unexpected(what) }
    try take()
    return name
  }

  public mutating func atName(_ what: String) throws(Diagnostic) -> String {
    guard case .at(let name) = token else { throw unexpected(what) }
    try take()
    return name
  }

  public mutating func string(_ what: String) throws(Diagnostic) -> String {
    guard case .string(let value) = token else { throw unexpected(what) }
    try take()
    return value
  }

  /// An integer with an optional minus sign.
  public mutating func integer(_ what: String) throws(Diagnostic) -> Int {
    let negative = try takeIf("-")
    guard case .integer(let value) = token else { throw unexpected(what) }
    try take()
    return negative ? -value : value
  }

  /// More items than any list of the texts has.
  public static let maximumItems = 100_000

  /// `[ item, item, ... ]` with the given brackets.
  public mutating func list<Item>(
    _ open: String, _ close: String,
    _ item: (inout TokenStream) throws(Diagnostic) -> Item
  ) throws(Diagnostic) -> [Item] {
    try expect(open)
    var items: [Item] = []
    if try takeIf(close) { return items }
    repeat {
      guard items.count < Self.maximumItems else {
        throw Diagnostic("a list has more than \(Self.maximumItems) items", at: location)
      }
      items.append(try item(&self))
    } while try takeIf(",")
    try expect(close)
    return items
  }

  public func unexpected(_ expected: String) -> Diagnostic {
    Diagnostic("expected \(expected), found '\(token.text)'", at: location)
  }
}
