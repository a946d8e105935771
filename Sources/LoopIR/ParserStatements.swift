import Diagnostics

/// Statements.
extension LoopParser {
  /// `{ statement ... }`.
  mutating func statements() throws(Diagnostic) -> [Statement] {
    let place = tokens.location
    try tokens.expect("{")
    statementNesting += 1
    defer { statementNesting -= 1 }
    guard statementNesting <= Self.maximumNesting else {
      throw Diagnostic(
        "statements are nested more than \(Self.maximumNesting) deep", at: place)
    }
    var statements: [Statement] = []
    while try !tokens.takeIf("}") { statements.append(try statement()) }
    return statements
  }

  mutating func statement() throws(Diagnostic) -> Statement {
    statementPlaces.append(tokens.location)
    switch tokens.token {
    case .percent(let buffer):
      try tokens.take()
      guard tokens.isAt("[") else { throw tokens.unexpected("'[' and the indices of a store") }
      let indices = try expressions("[", "]")
      try tokens.expect("=")
      return .store(buffer, indices, try expression())
    case .word(let word):
      if let kind = LoopKind.allCases.first(where: { $0.keyword == word }) {
        try tokens.take()
        return .loop(try loop(kind))
      }
      return try statement(startingWith: word)
    default:
      throw tokens.unexpected("a statement or '}'")
    }
  }

  private mutating func statement(startingWith word: String) throws(Diagnostic) -> Statement {
    switch word {
    case "for":
      return .loop(try loop(.serial))
    case "let":
      try tokens.take()
      let name = try tokens.percentName("the name to bind, as in '%a'")
      try tokens.expect("=")
      return .bind(name, try expression())
    case "if":
      try tokens.take()
      let condition = try expression()
      let then = try statements()
      let otherwise = try tokens.takeIfWord("else") ? try statements() : []
      return .conditional(condition, then: then, otherwise: otherwise)
    case "allocate":
      try tokens.take()
      return .allocate(try buffer(named: try tokens.percentName("the buffer's name, as in '%a'")))
    case "call":
      try tokens.take()
      let kernel = try tokens.atName("the kernel's name, as in '@copy'")
      let arguments = try tokens.list("(", ")") { tokens throws(Diagnostic) in
        try tokens.percentName("a buffer, as in '%x'")
      }
      return .call(kernel, arguments)
    case "block":
      try tokens.take()
      return .block(try tokens.string("the block's label in quotes"), try statements())
    default:
      guard let statement = try gpuStatement(word) else {
        throw tokens.unexpected("a statement or '}'")
      }
      return statement
    }
  }

  private mutating func loop(_ kind: LoopKind) throws(Diagnostic) -> Loop {
    try tokens.expectWord("for")
    let variable = try tokens.percentName("the loop variable, as in '%i'")
    try tokens.expectWord("in")
    let lower = try expression()
    try tokens.expect("..<")
    let upper = try expression()
    return Loop(variable, lower, upper, kind: kind, body: try statements())
  }
}
