import Diagnostics
import Tensors

/// An expression and the height of its tree, which is limited: long sums are as deep as long nests.
private struct Parsed {
  var expression: Expression
  var height = 1
}

extension LoopParser {
  mutating func expression() throws(Diagnostic) -> Expression {
    try parsed(atLeast: 1).expression
  }

  /// `[ expression, ... ]` with the given brackets.
  mutating func expressions(
    _ open: String, _ close: String
  ) throws(Diagnostic) -> [Expression] {
    try list(open, close).map(\.expression)
  }

  private mutating func list(_ open: String, _ close: String) throws(Diagnostic) -> [Parsed] {
    try tokens.expect(open)
    if try tokens.takeIf(close) { return [] }
    var items: [Parsed] = []
    repeat { items.append(try parsed(atLeast: 1)) } while try tokens.takeIf(",")
    try tokens.expect(close)
    return items
  }

  /// Infix operators that bind at least as strongly as asked; left-associative, comparisons not at all.
  private mutating func parsed(atLeast minimum: Int) throws(Diagnostic) -> Parsed {
    try enter()
    defer { expressionNesting -= 1 }
    var left = try unary()
    while let op = infix, let precedence = op.precedence, precedence >= minimum {
      let place = tokens.location
      try tokens.take()
      let right = try parsed(atLeast: precedence + 1)
      left = try node(.binary(op, left.expression, right.expression), [left, right], at: place)
      if op.isComparison, let next = infix, next.isComparison {
        throw Diagnostic(
          "comparisons cannot be chained", at: tokens.location,
          help: "join them with '&&', or add parentheses")
      }
    }
    return left
  }

  /// The infix operator that comes next.
  private var infix: BinaryOperator? {
    switch tokens.token {
    case .symbol(let symbol): return BinaryOperator(rawValue: symbol)
    case .word("mod"): return .remainder
    default: return nil
    }
  }

  private mutating func unary() throws(Diagnostic) -> Parsed {
    let place = tokens.location
    if try tokens.takeIf("!") { return try negation(.not, at: place) }
    guard try tokens.takeIf("-") else { return try primary() }
    if case .integer(let value) = tokens.token {
      try tokens.take()
      return Parsed(expression: .integer(-value))
    }
    return try negation(.negate, at: place)
  }

  private mutating func negation(
    _ op: UnaryOperator, at place: SourceLocation
  ) throws(Diagnostic) -> Parsed {
    try enter()
    defer { expressionNesting -= 1 }
    let operand = try unary()
    return try node(.unary(op, operand.expression), [operand], at: place)
  }

  private mutating func primary() throws(Diagnostic) -> Parsed {
    let place = tokens.location
    switch tokens.token {
    case .integer(let value):
      try tokens.take()
      return Parsed(expression: .integer(value))
    case .percent(let name):
      try tokens.take()
      guard tokens.isAt("[") else { return Parsed(expression: .variable(name)) }
      let indices = try list("[", "]")
      return try node(.load(name, indices.map(\.expression)), indices, at: place)
    case .symbol("("):
      try tokens.take()
      let inner = try parsed(atLeast: 1)
      try tokens.expect(")")
      return inner
    case .word(let word):
      try tokens.take()
      return try named(word, at: place)
    case .real:
      throw Diagnostic(
        "a floating-point constant needs its type", at: place,
        help: "write 'f32 \(tokens.token.text)'")
    default:
      throw tokens.unexpected("an expression")
    }
  }

  /// What starts with a word: a constant (`f32 0.5`), a cast (`f32(%i)`) or a call (`max(%a, %b)`).
  private mutating func named(
    _ word: String, at place: SourceLocation
  ) throws(Diagnostic) -> Parsed {
    if let type = ElementType(rawValue: word) {
      guard tokens.isAt("(") else {
        return Parsed(expression: .real(try constant(of: type), type))
      }
      let operand = try arguments(of: word, count: 1, at: place)
      return try node(.cast(type, operand[0].expression), operand, at: place)
    }
    if let op = UnaryOperator(rawValue: word), op != .negate, op != .not {
      let operand = try arguments(of: word, count: 1, at: place)
      return try node(.unary(op, operand[0].expression), operand, at: place)
    }
    switch word {
    case "min", "max":
      let operands = try arguments(of: word, count: 2, at: place)
      let op = word == "min" ? BinaryOperator.minimum : .maximum
      return try node(
        .binary(op, operands[0].expression, operands[1].expression), operands, at: place)
    case "fma", "select":
      let operands = try arguments(of: word, count: 3, at: place)
      let (a, b, c) = (operands[0].expression, operands[1].expression, operands[2].expression)
      return try node(word == "fma" ? .fma(a, b, c) : .select(a, b, c), operands, at: place)
    default:
      throw Diagnostic(
        "'\(word)' is no function or type", at: place,
        help: "variables and buffers start with '%'")
    }
  }

  private mutating func arguments(
    of name: String, count: Int, at place: SourceLocation
  ) throws(Diagnostic) -> [Parsed] {
    let arguments = try list("(", ")")
    guard arguments.count == count else {
      throw Diagnostic(
        "'\(name)' takes \(count) operand\(count == 1 ? "" : "s"), not \(arguments.count)",
        at: place)
    }
    return arguments
  }

  /// A number, `nan` or `inf` after its type, with an optional minus sign.
  private mutating func constant(of type: ElementType) throws(Diagnostic) -> Double {
    let negative = try tokens.takeIf("-")
    let magnitude: Double
    switch tokens.token {
    case .real(let value): magnitude = value
    case .integer(let value): magnitude = Double(value)
    case .word("nan"): magnitude = .nan
    case .word("inf"): magnitude = .infinity
    default: throw tokens.unexpected("a number or '(' after '\(type.rawValue)'")
    }
    try tokens.take()
    return negative ? -magnitude : magnitude
  }

  private mutating func enter() throws(Diagnostic) {
    expressionNesting += 1
    // Parentheses add nothing to the tree, so they get as much room again.
    if expressionNesting > 2 * Self.maximumNesting { throw tooDeep(at: tokens.location) }
  }

  private func node(
    _ expression: Expression, _ children: [Parsed], at place: SourceLocation
  ) throws(Diagnostic) -> Parsed {
    let height = 1 + (children.map(\.height).max() ?? 0)
    if height > Self.maximumNesting { throw tooDeep(at: place) }
    return Parsed(expression: expression, height: height)
  }

  private func tooDeep(at place: SourceLocation) -> Diagnostic {
    Diagnostic(
      "the expression is nested more than \(Self.maximumNesting) deep", at: place,
      help: "bind parts of it with 'let'")
  }
}
