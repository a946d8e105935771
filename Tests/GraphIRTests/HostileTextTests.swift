import Diagnostics
import Foundation
import GraphIR
import LoopIR
import Operations
import Testing

/// Texts that nobody means well with: only diagnostics come of them, soon and short.
@Suite struct HostileTextTests {
  private func parse(_ text: String) throws(Diagnostic) -> Module {
    try GraphParser.parse(text, file: "t.rir", table: OperationRegistry.table)
  }

  /// The message, which must be short whatever the text holds.
  private func refusal(_ text: String) -> String {
    let error = #expect(throws: Diagnostic.self) { try parse(text) }
    let description = error?.description ?? ""
    #expect(description.utf8.count < 6000)
    return description
  }

  private func repeated(_ text: String, _ count: Int) -> String {
    String(repeating: text, count: count)
  }

  private let head = "rephase_ir 1 func @f(%x: tensor<2xf32>) -> tensor<2xf32> { "

  @Test(arguments: ["{", "[", "(", "<", "-", "^", "%x = fused %x : tensor<2xf32> { ^(): "])
  func millionsOfOpenBrackets(_ bracket: String) {
    _ = refusal(repeated(bracket, 1_000_000))
    _ = refusal(head + repeated(bracket, 1_000_000))
    _ = refusal(head + "%1 = relu %x {a = " + repeated(bracket, 1_000_000))
    _ = refusal(head + "%1 = relu %x : tensor<" + repeated(bracket, 1_000_000))
  }

  @Test func longTokens() {
    let long = repeated("a", 1_000_000)
    for text in [
      long, head + "%" + long, head + "%1 = " + long, head + "%1 = parameter \"\(long)\"",
      head + "%1 = constant " + repeated("1", 1_000_000), head + "\"" + repeated("\\", 1_000_000),
    ] {
      #expect(refusal(text).contains("has more than 4096 bytes") || text.hasPrefix(head + "\""))
    }
    #expect(
      refusal(head + "%1 = relu %x : tensor<" + repeated("1 x ", 1000)).contains(
        "a type has more than 128 characters"))
  }

  @Test func longLists() {
    let many = repeated("1, ", 200_000)
    #expect(refusal(head + "%1 = relu %x {a = [\(many)").contains("more than 100000 items"))
    #expect(
      refusal("rephase_ir 1 func @f(" + repeated("%a: tensor<f32>, ", 3)).contains("defined twice"))
    let arguments = (0...100_000).map { "%a\($0): tensor<f32>" }.joined(separator: ", ")
    #expect(refusal("rephase_ir 1 func @f(\(arguments)) -> ()").contains("more than 100000 items"))
    _ = refusal(head + "%1 = add " + repeated("%x, ", 100_000) + "%x : tensor<2xf32> return %1 }")
  }

  @Test func manyOperationsAndFunctions() {
    let lines = (0...100_000).map { "%\($0) = relu %x : tensor<2xf32>\n" }.joined()
    #expect(refusal(head + lines).contains("more than 100000 operations"))
    let functions = (0...1000).map {
      "func @f\($0)(%x: tensor<2xf32>) -> tensor<2xf32> { return %x }\n"
    }.joined()
    #expect(refusal("rephase_ir 1\n" + functions).contains("more than 1000 functions"))
  }

  @Test func textsPastTheLimit() {
    #expect(refusal(repeated(" ", (64 << 20) + 1)).contains("more than the 67108864 that are read"))
    #expect(refusal(repeated(" ", 1 << 20)).contains("a graph dump starts with"))
  }

  /// Tokens of valid dumps exchanged, doubled, dropped and replaced by nasty ones: what is accepted must print and
  /// parse again, the rest is a diagnostic.
  @Test func randomMutations() throws {
    var random = SmallRandom(state: 11)
    let sources = try FrozenDumpTests.names.map { try pieces(FrozenDumpTests.text($0)) }
    var accepted = 0
    for round in 0..<mutations {
      var tokens = sources[round % sources.count]
      for _ in 0...random.below(3) { mutate(&tokens, &random) }
      let module: Module
      do { module = try parse(tokens.joined(separator: " ")) } catch { continue }
      accepted += 1
      if accepted % 16 == 0 {
        try GraphVerifier.verify(module)
        let printed = GraphPrinter.text(module)
        #expect(GraphPrinter.text(try parse(printed)) == printed)
        for function in module.functions { try lower(function) }
      }
    }
    #expect(accepted > 0 && accepted < mutations)
  }

  /// What a well-typed graph lowers to passes the loop IR's verifier; what cannot be lowered is a diagnostic.
  private func lower(_ function: Function) throws {
    let loops: LoopModule
    do { loops = try GraphLowering.lower(function) } catch { return }
    try LoopVerifier.verify(loops)
  }

  /// The seed makes every run the same; REPHASE_MUTATIONS asks for more of them.
  private let mutations =
    Int(ProcessInfo.processInfo.environment["REPHASE_MUTATIONS"] ?? "") ?? 10_000

  private let nasty = [
    "9223372036854775807", "-9223372036854775808", "99999999999999999999", "-", "0", "-1", "1e308",
    "nan", "inf", "\"\"", "\"", "{", "}", "[", "]", "(", ")", "<", ">", ",", ":", "=", "^", "%",
    "@",
    "tensor<0xf32>", "tensor<68719476736xf32>", "tensor<1x1x1x1xf32>", "tensor<f32>",
    "tensor<3xcomplex64>", "tensor<1x2x8x8xi32>", "fused", "return", "func", "loc", "[1024, 1024]",
    "[0, 0]", "[]", "%x", "%0", "é", "//", "\u{0}",
  ]

  private func mutate(_ tokens: inout [String], _ random: inout SmallRandom) {
    let place = random.below(tokens.count)
    switch random.below(5) {
    case 0: tokens.remove(at: place)
    case 1: tokens.insert(tokens[random.below(tokens.count)], at: place)
    case 2: tokens.swapAt(place, random.below(tokens.count))
    case 3: tokens[place] = tokens[random.below(tokens.count)]
    default: tokens[place] = nasty[random.below(nasty.count)]
    }
  }

  /// Words, names with their sigils, and single symbols; types stay whole.
  private func pieces(_ text: String) throws -> [String] {
    let token = /tensor<[^>]*>|"[^"]*"|[%@]?[\w.$]+|->|[^\s\w]/
    let code = text.split(separator: "\n").map { $0.prefix { $0 != "/" } }.joined(separator: "\n")
    return code.matches(of: token).map { String($0.output) }
  }
}

/// A linear congruential generator (Knuth's MMIX constants): the same numbers on every machine.
private struct SmallRandom {
  var state: UInt64

  mutating func below(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % bound
  }
}
