import Diagnostics
import Tensors
import Testing

@testable import LoopIR

/// Builds random expressions and statements; they need not pass the verifier, only print and parse.
private struct Generator {
  var random: SplitMix64
  private var next = 0

  init(seed: UInt64) { random = SplitMix64(seed: seed) }

  mutating func pick<Item>(_ items: [Item]) -> Item {
    items[Int.random(in: 0..<items.count, using: &random)]
  }

  mutating func name() -> String {
    next += 1
    return pick(["x", "y.z", "_", "0", "a$1"]) + "\(next)"
  }

  mutating func real() -> Double {
    let bits = Double(bitPattern: random.next())
    return pick([
      0, -0.0, 1, -0.1, 1e300, .leastNonzeroMagnitude, .infinity, -.infinity, bits.isNaN ? 2 : bits,
    ])
  }

  mutating func expression(_ depth: Int) -> Expression {
    let leaves = depth == 0
    switch Int.random(in: leaves ? 0..<3 : 0..<9, using: &random) {
    case 0: return .integer(pick([0, 1, -1, 7, Int.max, -Int.max]))
    case 1: return .real(real(), pick(ElementType.allCases))
    case 2: return .variable(name())
    case 3: return .load(name(), (0..<pick([0, 1, 3])).map { _ in expression(depth - 1) })
    case 4: return .unary(pick(UnaryOperator.allCases), expression(depth - 1))
    case 5:
      return .fma(expression(depth - 1), expression(depth - 1), expression(depth - 1))
    case 6:
      return .select(expression(depth - 1), expression(depth - 1), expression(depth - 1))
    case 7: return .cast(pick(ElementType.allCases), expression(depth - 1))
    default:
      return .binary(pick(BinaryOperator.allCases), expression(depth - 1), expression(depth - 1))
    }
  }

  mutating func buffer() -> Buffer {
    let extents = (0..<pick([0, 1, 2, 4])).map { _ in pick([1, 2, 3, 16]) }
    return Buffer(
      name(), pick(ElementType.allCases), extents: extents,
      strides: pick([nil, extents.map { _ in pick([0, 1, 5]) }]), alignment: pick([64, 4, 4096]),
      space: pick(MemorySpace.allCases))
  }

  mutating func statement(_ depth: Int) -> Statement {
    switch Int.random(in: depth == 0 ? 0..<8 : 0..<11, using: &random) {
    case 0: return .bind(name(), expression(3))
    case 1: return .store(name(), (0..<pick([0, 1, 3])).map { _ in expression(2) }, expression(3))
    case 2: return .allocate(buffer())
    case 3: return .barrier
    case 4: return .call(name(), (0..<pick([0, 1, 3])).map { _ in name() })
    case 5: return .multiply(MatrixProduct(sum: fragment(), left: fragment(), right: fragment()))
    case 6:
      let product = WarpGroupProduct(
        sum: fragment(), left: sharedMatrix(), right: sharedMatrix())
      let step: WarpGroupStep = pick([.fence, .multiply(product), .commit, .wait(3), .publish])
      return pick([.commitGroup, .waitGroup(pick([0, 1, 17])), .warpGroup(step)])
    case 7:
      return .copy(
        AsyncCopy(
          name(), [expression(2)], from: expression(2), where: pick([nil, expression(3)])))
    case 8: return .block(pick(["", "a \"b\" \\c", "tail, é"]), statements(depth - 1))
    case 9:
      return .conditional(
        expression(3), then: statements(depth - 1), otherwise: statements(depth - 1))
    default:
      return .loop(
        Loop(
          name(), expression(2), expression(2), kind: pick(LoopKind.allCases),
          body: statements(depth - 1)))
    }
  }

  mutating func fragment() -> MatrixProduct.Fragment {
    .init(name(), (0..<pick([0, 1, 3])).map { _ in expression(2) })
  }

  mutating func sharedMatrix() -> SharedMatrix {
    let (part, steps) = (fragment(), [0, 4, 1 << 20])
    return SharedMatrix(
      part.buffer, part.indices, groupStep: pick(steps), rowStep: pick(steps),
      columnStep: pick(steps))
  }

  mutating func statements(_ depth: Int) -> [Statement] {
    (0..<pick([0, 1, 2, 3])).map { _ in statement(depth) }
  }

  mutating func module() -> LoopModule {
    let roles: [BufferRole] = [
      .parameter("w.\"1\""), .constant, .input("x"), .output("é"), .temporary(offset: nil),
      .temporary(offset: 128), .scratch,
    ]
    let kernels = (0..<pick([0, 1, 3])).map { _ in
      Kernel(
        name(),
        parameters: (0..<pick([0, 1, 3])).map { _ in
          KernelParameter(buffer(), pick([.read, .write, .update]))
        },
        body: statements(3))
    }
    let target = pick([nil, "x86-64-v3 \"avx\""])
    return LoopModule(
      name: name(), scheduledFor: target,
      precision: target == nil ? .standard : pick(Precision.allCases),
      buffers: (0..<pick([0, 1, 5])).map { _ in ModuleBuffer(buffer(), pick(roles)) },
      kernels: kernels, prepare: statements(0), run: statements(0))
  }
}

@Suite struct RoundTripTests {
  @Test func randomExpressionsPrintAndParse() throws {
    var generator = Generator(seed: 1)
    for _ in 0..<2000 {
      let expression = generator.expression(5)
      let text = LoopPrinter.text(expression)
      #expect(try LoopParser.parseExpression(text) == expression, "\(text)")
    }
  }

  @Test func randomModulesPrintAndParse() throws {
    var generator = Generator(seed: 2)
    for _ in 0..<200 {
      let module = generator.module()
      let text = LoopPrinter.text(module)
      let parsed = try LoopParser.parseModule(text, file: "m.loops")
      #expect(parsed == module, "\(text)")
      #expect(LoopPrinter.text(parsed) == text)
    }
  }

  @Test func sampleTextIsCanonical() throws {
    let module = try LoopParser.parseModule(sampleText, file: "sample.loops")
    try LoopVerifier.verify(module)
    let printed = LoopPrinter.text(module)
    #expect(try LoopParser.parseModule(printed, file: "again.loops") == module)
    #expect(printed == sampleText)
  }

  @Test(arguments: [
    "1 + 2 * 3", "(1 + 2) * 3", "1 - (2 - 3)", "1 - 2 - 3", "-3", "-(3)", "-%x", "--%x",
    "%x - -3", "%a && %b || %c", "%a && (%b || %c)", "!(%a < %b)", "!%a", "(%a < %b) == %c",
    "f32 nan", "f64 -inf", "f32 -0.0", "bf16 1e-05", "f32(%i) * f32 0.5", "min(%a, max(%b, 1))",
    "fma(%x[%i, %j - 1], %w[], f32 0.1)", "%i mod 4 / 2", "%i mod (4 / 2)",
  ])
  func textHasNoNeedlessParentheses(_ text: String) throws {
    #expect(LoopPrinter.text(try LoopParser.parseExpression(text)) == text)
  }

  @Test func wholeNumbersAreAcceptedAsReals() throws {
    #expect(try LoopParser.parseExpression("f32 2") == .real(2, .f32))
  }
}

@Suite struct ParserErrorTests {
  /// Each text, and what the error on it must say with its place.
  @Test(arguments: [
    ("module @m {", "this is not a loop IR dump", 1, 1),
    ("rephase_loops 7", "loop IR version 7 is not known", 1, 1),
    ("rephase_loops 1 module @m {\n  input %x \"x\" : f32[0]\n}", "is not positive", 2, 21),
    (
      "rephase_loops 1 module @m {\n  input %x \"x\" : f32[99999999999, 99999999999]\n}",
      "has more than 2^36 elements", 2, 21
    ),
    (
      "rephase_loops 1 module @m {\n  scratch %x : f32[1]\n  scratch %x : f32[1]\n}",
      "%x is declared twice", 3, 3
    ),
    ("rephase_loops 1 module @m {\n kernel @k() { }\n kernel @k() { } }", "@k is declared", 3, 2),
    ("rephase_loops 1 module @m {\n scratch %x : f32[2] strides [1, 2]\n}", "2 strides", 2, 30),
    ("rephase_loops 1 module @m { run { } prepare { } }", "(in this order)", 1, 37),
    ("rephase_loops 1 module @m { kernel @k() { halt } }", "expected a statement", 1, 43),
    ("rephase_loops 1 module @m { kernel @k() { %x = 1 } }", "the indices of a store", 1, 46),
    ("rephase_loops 1 module @m { kernel @k() { let %a = 0.5 } }", "needs its type", 1, 52),
    ("rephase_loops 1 module @m { kernel @k() { let %a = pow(1) } }", "no function", 1, 52),
    ("rephase_loops 1 module @m { kernel @k() { let %a = min(1) } }", "takes 2 operands", 1, 52),
    ("rephase_loops 1 module @m { kernel @k() { let %a = 1 < 2 < 3 } }", "be chained", 1, 58),
    ("rephase_loops 1 module @m { } }", "the end of the text", 1, 31),
  ])
  func namesThePlace(_ text: String, _ expected: String, _ line: Int, _ column: Int) {
    do {
      _ = try LoopParser.parseModule(text, file: "bad.loops")
      Issue.record("no error")
    } catch {
      #expect(error.message.contains(expected), "\(error)")
      #expect(error.location == SourceLocation(file: "bad.loops", line: line, column: column))
    }
  }

  /// Deep texts end in an error and not in an exhausted stack; none is shown to the optimizer's recursion.
  @Test(arguments: [
    String(repeating: "(", count: 100_000), String(repeating: "-", count: 100_000) + "%x",
    String(repeating: "!", count: 100_000), String(repeating: "min(1, ", count: 100_000),
    String(repeating: "%x[", count: 100_000), "1" + String(repeating: " + 1", count: 100_000),
  ])
  func deepExpressionsAreRefused(_ text: String) {
    let found = message { () throws(Diagnostic) in _ = try LoopParser.parseExpression(text) }
    #expect(found == "the expression is nested more than 200 deep")
  }

  @Test(arguments: ["block \"\" {", "for %i in 0 ..< 1 {", "if 0 == 0 { } else {"])
  func deepStatementsAreRefused(_ opening: String) {
    let text = String(repeating: opening + " ", count: 100_000)
    let found = message { () throws(Diagnostic) in _ = try LoopParser.parseStatements(text) }
    #expect(found == "statements are nested more than 200 deep")
  }

  /// As deep as the limits allow, everything that walks the tree must still work.
  @Test func deepestTextsAreAccepted() throws {
    let sum = "0" + String(repeating: " + %i", count: 199)
    let opening = String(repeating: "block \"b\" { ", count: 198)
    let text =
      "kernel @k(out %y: f32[1]) { for %i in 0 ..< 1 { \(opening) %y[\(sum)] = f32 1.0 "
      + String(repeating: "}", count: 200)
    let kernel = try LoopParser.parseKernel(text)
    try LoopVerifier.verify(kernel)
    #expect(try LoopParser.parseKernel(LoopPrinter.text(kernel)) == kernel)
    #expect(try LoopInterpreter.runKernel(kernel, arguments: [])[0].values == [1])
    #expect(kernel.body.simplified().definedNames == ["i"])
  }

  /// Damaged texts give an error or parse; they never trap.
  @Test func damagedTextsNeverTrap() {
    var random = SplitMix64(seed: 3)
    let bytes = Array(sampleText.utf8)
    for _ in 0..<300 {
      var damaged = bytes
      for _ in 0..<3 {
        let place = Int.random(in: 0..<damaged.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: damaged[place] = UInt8.random(in: 32..<127, using: &random)
        case 1: damaged.remove(at: place)
        default: damaged.insert(contentsOf: damaged[place..<min(place + 9, damaged.count)], at: 0)
        }
      }
      do {
        let text = String(decoding: damaged, as: UTF8.self)
        try LoopVerifier.verify(try LoopParser.parseModule(text, file: "damaged.loops"))
      } catch {
        #expect(!error.message.isEmpty)
      }
    }
  }
}
