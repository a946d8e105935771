import Diagnostics
import Tensors
import Testing

@testable import LoopIR

/// The value of an index or boolean expression; nil where an operation has none. Booleans are 0 and 1.
private func evaluate(_ expression: Expression, _ values: [String: Int]) -> Int? {
  let operands = expression.children.map { evaluate($0, values) }
  if operands.contains(nil) { return nil }
  let v = operands.compactMap { $0 }
  switch expression {
  case .integer(let value): return value
  case .variable(let name): return values[name]
  case .unary(.negate, _): return -v[0]
  case .unary(.abs, _): return abs(v[0])
  case .unary(.not, _): return 1 - v[0]
  case .select: return v[0] == 1 ? v[1] : v[2]
  case .binary(let op, _, _): return evaluate(op, v[0], v[1])
  default: return nil
  }
}

private func evaluate(_ op: BinaryOperator, _ a: Int, _ b: Int) -> Int? {
  switch op {
  case .add: return a + b
  case .subtract: return a - b
  case .multiply: return a * b
  case .divide: return b > 0 ? Int((Double(a) / Double(b)).rounded(.down)) : nil
  case .remainder: return b > 0 ? a - b * Int((Double(a) / Double(b)).rounded(.down)) : nil
  case .minimum: return min(a, b)
  case .maximum: return max(a, b)
  case .less: return a < b ? 1 : 0
  case .lessOrEqual: return a <= b ? 1 : 0
  case .equal: return a == b ? 1 : 0
  case .and: return a & b
  case .or: return a | b
  }
}

private struct IndexGenerator {
  var random: SplitMix64

  mutating func index(_ depth: Int) -> Expression {
    switch Int.random(in: depth == 0 ? 0..<3 : 0..<14, using: &random) {
    case 0: return .integer(Int.random(in: -9...9, using: &random))
    case 1, 2: return .variable(["a", "b", "c"].randomElement(using: &random) ?? "a")
    case 3, 4, 5: return index(depth - 1) + index(depth - 1)
    case 6, 7: return index(depth - 1) - index(depth - 1)
    case 8: return index(depth - 1) * .integer(Int.random(in: -4...4, using: &random))
    case 9: return .unary(Bool.random(using: &random) ? .negate : .abs, index(depth - 1))
    case 10, 11:
      let op = Bool.random(using: &random) ? BinaryOperator.divide : .remainder
      return .binary(op, index(depth - 1), .integer(Int.random(in: 1...5, using: &random)))
    case 12:
      let op = Bool.random(using: &random) ? BinaryOperator.minimum : .maximum
      return .binary(op, index(depth - 1), index(depth - 1))
    default: return .select(boolean(depth - 1), index(depth - 1), index(depth - 1))
    }
  }

  mutating func boolean(_ depth: Int) -> Expression {
    switch Int.random(in: depth <= 0 ? 0..<3 : 0..<6, using: &random) {
    case 0: return .binary(.less, index(max(0, depth)), index(max(0, depth)))
    case 1: return .binary(.lessOrEqual, index(max(0, depth)), index(max(0, depth)))
    case 2: return .binary(.equal, index(max(0, depth)), index(max(0, depth)))
    case 3: return .binary(.and, boolean(depth - 1), boolean(depth - 1))
    case 4: return .binary(.or, boolean(depth - 1), boolean(depth - 1))
    default: return .unary(.not, boolean(depth - 1))
    }
  }
}

@Suite struct SimplificationTests {
  /// For random expressions: the value stays, the interval holds it, and simplifying again changes nothing.
  @Test func valuesStayTheSame() {
    var generator = IndexGenerator(random: SplitMix64(seed: 5))
    let ranges = ["a": Interval(-3, 4), "b": Interval(0, 7)]
    for round in 0..<1500 {
      let isBoolean = round % 3 == 0
      let expression = isBoolean ? generator.boolean(4) : generator.index(4)
      let simple =
        isBoolean ? expression.simplified(ranges) : expression.simplifiedIndex(ranges)
      let text = "\(LoopPrinter.text(expression)) to \(LoopPrinter.text(simple))"
      let again = isBoolean ? simple.simplified(ranges) : simple.simplifiedIndex(ranges)
      #expect(again == simple, "\(text)")
      for _ in 0..<20 {
        let values = [
          "a": Int.random(in: -3...4, using: &generator.random),
          "b": Int.random(in: 0...7, using: &generator.random),
          "c": Int.random(in: -50...50, using: &generator.random),
        ]
        let value = evaluate(expression, values)
        #expect(value != nil)
        #expect(evaluate(simple, values) == value, "\(text) at \(values)")
        if let value, let interval = expression.interval(ranges) {
          #expect(interval.contains(value), "\(text) at \(values)")
        }
        if let truth = expression.truth(ranges) { #expect((value == 1) == truth, "\(text)") }
      }
    }
  }

  @Test(arguments: [
    ("%b + 0 + %a * 1 + %c * 0", "%a + %b"), ("%x + %y + 3 - %x * 2 - 5", "%y - %x - 2"),
    ("3 - %x", "3 - %x"), ("0 - %x", "-%x"), ("%x - 1 + 1", "%x"),
    ("2 * (%x + 4 * %y)", "%x * 2 + %y * 8"),
    ("%x / 1 + %x mod 1", "%x"), ("(%x * 8 + 19) / 8", "%x + 2"), ("(%x * 8 + 19) mod 8", "3"),
    ("(%x * 8 + %i) / 8", "%x"), ("(%x * 8 + %i) mod 8", "%i"),
    ("(%x * 8 + %i) / 4", "%i / 4 + %x * 2"),
    ("min(%x, %x + 1)", "%x"), ("max(%i, 0)", "%i"), ("max(%i - 7, 0)", "0"), ("min(2, 3)", "2"),
    ("select(%i < 8, %x, %y + 1)", "%x"), ("-7 / 2", "-4"), ("-7 mod 2", "1"),
    ("%x * %y + %y * %x - 0", "%x * %y + %y * %x"),
    ("9223372036854775807 + 1 + %x", "9223372036854775807 + 1 + %x"), ("5 / 0", "5 / 0"),
    ("%x - 9223372036854775807 - 1", "%x - 9223372036854775807 - 1"),
  ])
  func indices(_ text: String, _ expected: String) throws {
    let simple = try LoopParser.parseExpression(text).simplifiedIndex(["i": Interval(0, 7)])
    #expect(LoopPrinter.text(simple) == expected)
  }

  /// Nothing that could change a bit: x + 0 turns -0 into 0, and sums are not associative.
  @Test(arguments: [
    "%x[%i] + f32 0.0", "%x[%i] * f32 1.0", "%x[%i] * f32 0.0", "%p + %q - %p", "%q + %p",
    "fma(%p, f32 1.0, f32 0.0)", "f32 1.0 + f32 2.0", "%p < %p + f32 1.0", "--%p",
  ])
  func floatingPointStays(_ text: String) throws {
    #expect(LoopPrinter.text(try LoopParser.parseExpression(text).simplified()) == text)
  }

  @Test(arguments: [
    ("%x[%i + 0, 1 + 2] * f32 1.0", "%x[%i, 3] * f32 1.0"),
    ("select(1 < 2, %p, %q)", "%p"), ("select(%i < 0, %p, %q)", "%q"),
    ("f32(%i + 0)", "f32(%i)"), ("!(1 < 2)", "0 == 1"), ("!(!(%x < 1))", "%x < 1"),
    ("0 <= %i && %x < 1", "%x < 1"), ("%x < 1 || %i < 0", "%x < 1"), ("%i < 0 && %x < 1", "0 == 1"),
    ("%x < 1 && %x < 1", "%x < 1"), ("%x < %x + 1", "0 == 0"),
  ])
  func conditionsAndIndicesInside(_ text: String, _ expected: String) throws {
    let simple = try LoopParser.parseExpression(text).simplified(["i": Interval(0, 7)])
    #expect(LoopPrinter.text(simple) == expected)
  }

  @Test func statements() throws {
    let body = try LoopParser.parseStatements(
      """
      for %io in 0 ..< 16 / 8 {
        for %ii in 0 ..< 8 {
          let %i = %io * 8 + %ii
          if %i < 16 && 0 <= %ii { %y[%i / 1] = f32 0.0 } else { %y[0] = f32 1.0 }
          if 16 <= %i { %y[0] = f32 2.0 }
        }
      }
      for %j in 4 ..< 2 + 2 { %y[%j] = f32 3.0 }
      block "nothing" { for %k in 0 ..< 3 { } }
      """)
    let expected = """
      for %io in 0 ..< 2 {
        for %ii in 0 ..< 8 {
          let %i = %ii + %io * 8
          %y[%i] = f32 0.0
        }
      }

      """
    #expect(LoopPrinter.text(body.simplified()) == expected)
  }

  /// Doubling the work at each level would never end here.
  @Test func deepConditionsTakeLinearTime() throws {
    var condition = try LoopParser.parseExpression("%x < 1")
    for _ in 0..<60 {
      condition = .binary(.less, .select(condition, .variable("x"), .integer(1)), .integer(5))
    }
    #expect(condition.simplified() == condition.simplified().simplified())
  }
}

@Suite struct RewritingTests {
  private func body() throws -> [Statement] {
    try LoopParser.parseStatements(
      """
      for %i in 0 ..< %n {
        allocate %a : f32[4] stack
        let %j = %i + 1
        if %j < %n {
          %a[%j] = %x[%i, %j] * %x[%j, %i]
        } else {
          block "tail" {
            %y[%i] = %a[0]
          }
        }
      }
      """)
  }

  @Test func walksSeeEverything() throws {
    let body = try body()
    #expect(body.definedNames == ["i", "a", "j"])
    #expect(body.variablesUsed == ["n", "i", "j"])
    var accesses: [String] = []
    body.forEachStore { buffer, indices in accesses.append("store \(buffer) \(indices.count)") }
    body.forEachLoad { buffer, indices in accesses.append("load \(buffer) \(indices.count)") }
    #expect(accesses == ["store a 1", "store y 1", "load x 2", "load x 2", "load a 1"])
  }

  @Test func substitutionReachesEveryExpression() throws {
    let body = try body().substituting("n", with: .integer(8))
    #expect(body.variablesUsed == ["i", "j"])
    let swapped = try LoopParser.parseExpression("%a + %b * %a")
      .substituting(["a": .variable("b"), "b": .variable("a")])
    #expect(LoopPrinter.text(swapped) == "%b + %a * %b")
  }

  @Test func copiesHaveTheirOwnNames() throws {
    let copy = try body().copy(suffix: ".1")
    #expect(copy.definedNames == ["i.1", "a.1", "j.1"])
    #expect(copy.variablesUsed == ["n", "i.1", "j.1"])
    let text = LoopPrinter.text(copy)
    #expect(text.contains("%a.1[%j.1] = %x[%i.1, %j.1] * %x[%j.1, %i.1]"))
    #expect(text.contains("%y[%i.1] = %a.1[0]"))
    #expect(text.replacing(".1", with: "") == LoopPrinter.text(try body()))
  }

  @Test func statementsAreReplacedInsideFirst() throws {
    let result = try body().mapStatements { statement in
      if case .block(_, let body) = statement { return body }
      if case .bind = statement { return [] }
      return [statement]
    }
    #expect(result.definedNames == ["i", "a"])
    #expect(!LoopPrinter.text(result).contains("block"))
  }
}

@Suite struct IntervalTests {
  private let ranges = ["i": Interval(0, 7), "j": Interval(-2, 3)]

  @Test(arguments: [
    ("%i * 2 - %j", -3, 16), ("%j * %j", -6, 9), ("%i / 4", 0, 1), ("(%i + 8) mod 8", 0, 7),
    ("(%i + 7) mod 8", 0, 7), ("%j / 2", -1, 1), ("abs(%j)", 0, 3), ("abs(%j - 4)", 1, 6),
    ("min(%i, 3)", 0, 3), ("max(%j, 0)", 0, 3), ("select(%i < 8, %j, 100)", -2, 3),
    ("select(%i < 7, %j, 100)", -2, 100), ("-%j", -3, 2), ("(%i / 4) mod 4", 0, 1),
  ])
  func bounds(_ text: String, _ lower: Int, _ upper: Int) throws {
    #expect(try LoopParser.parseExpression(text).interval(ranges) == Interval(lower, upper))
  }

  @Test(arguments: ["%k", "%i / %j", "%i mod 0", "%i * 9223372036854775807", "f32 1.0", "%x[0]"])
  func unknownIsNil(_ text: String) throws {
    #expect(try LoopParser.parseExpression(text).interval(ranges) == nil)
  }

  @Test func emptyRangesHaveNone() {
    #expect(Interval(3..<3) == nil)
    #expect(Interval(3..<5) == Interval(3, 4))
    #expect(Interval(3, 4).isOutside(5..<9) && !Interval(3, 5).isOutside(5..<9))
    #expect(Interval(3, 4).isWithin(3..<5) && !Interval(3, 5).isWithin(3..<5))
  }
}
