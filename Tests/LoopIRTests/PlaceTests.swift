import Diagnostics
import Testing

@testable import LoopIR

/// A module that breaks one constraint; `^` stands before the part that the error must point at.
private struct Misplaced: CustomTestStringConvertible, Sendable {
  let constraint: String
  let marked: String

  var testDescription: String { "\(constraint): \(marked)" }

  init(_ constraint: String, _ marked: String) {
    (self.constraint, self.marked) = (constraint, marked)
  }

  /// A module of one kernel with this body, in lines of their own.
  init(_ constraint: String, body: String) {
    self.init(
      constraint,
      """
      input %x "x" : f32[8]
      output %y "y" : f32[8]
      kernel @first(out %a: f32[8]) { for %i in 0 ..< 8 { %a[%i] = f32 0.0 } }
      kernel @k(in %x: f32[8], out %y: f32[8]) {
        for %i in 0 ..< 8 { %y[%i] = %x[%i] }
        \(body)
      }
      """)
  }

  var text: String { "rephase_loops 1\nmodule @m {\n\(marked)\n}" }

  /// Where `^` stands; what follows it moves to its place when it is left out.
  var place: Diagnostics.SourceLocation {
    let before = text.prefix { $0 != "^" }.split(separator: "\n", omittingEmptySubsequences: false)
    return Diagnostics.SourceLocation(
      file: "m.rir", line: before.count, column: (before.last?.count ?? 0) + 1)
  }
}

private let misplaced = [
  Misplaced("L3", body: "let %a = 1\n block \"b\" {\n ^let %a = 2 }"),
  Misplaced("L4", body: "if 0 == 0 { let %a = 1 } else { let %b = 1 }\n ^let %c = %a"),
  Misplaced("L7", body: "^allocate %a : f32[262145] stack"),
  Misplaced("L9", body: "for %a in 0 ..< 2 {\n if %a < 1 { } else {\n ^let %b = 1 + f32 1.0 } }"),
  Misplaced("L11", body: "for %a in 0 ..< 2 { ^%x[0] = f32 0.0 }\n let %b = 1"),
  Misplaced("L12", body: "let %a = 1\n ^%y[8] = f32 0.0"),
  Misplaced("L13", body: "let %n = 2\n ^vectorized for %a in 0 ..< %n { let %b = 1 }"),
  Misplaced("L14", body: "for %a in 0 ..< 2 {\n ^parallel for %b in 0 ..< 2 { let %c = 1 } }"),
  Misplaced("L16", body: "let %a = 1\n ^barrier"),
  Misplaced("L17", body: "let %a = 1\n ^call @first(%y)"),
  Misplaced("L5", "temporary %t : f32[8]\n ^temporary %u : f32[8] align 48"),
  Misplaced("L22", "temporary %t : f32[8] at 0\n ^temporary %u : f32[8] at 8"),
  Misplaced("L25", "^slice %s : f32[1] of %x at 0"),
  Misplaced("L8", "kernel @k(in %x: f32[8],\n ^out %y: f32[4, 4] strides [2, 1]) { }"),
  Misplaced(
    "L21",
    "output %x \"x\" : f32[8]\n^output %y \"y\" : f32[8]\nkernel @k(out %a: f32[8]) { }\nrun { call @k(%x) }"
  ),
  Misplaced("L4", "run {\n ^call @k() }"),
  Misplaced("L17", "kernel @k() { }\nprepare {\n call @k()\n ^for %i in 0 ..< 2 { call @k() } }"),
  Misplaced("L18", "kernel @k() { }\nrun {\n call @k()\n ^call @k(%x) }"),
]

@Suite struct PlaceTests {
  /// The statement, parameter or buffer, not what is around it.
  @Test(arguments: misplaced) fileprivate func pointsAtTheStatement(_ module: Misplaced) throws {
    let text = module.text.replacing("^", with: "")
    let error = #expect(throws: Diagnostic.self) {
      try LoopParser.parseVerifiedModule(text, file: "m.rir")
    }
    #expect(error?.message.hasSuffix("[\(module.constraint)]") == true, "\(error?.message ?? "")")
    #expect(error?.location == module.place)
  }

  @Test func acceptsWhatIsRight() throws {
    let module = try LoopParser.parseVerifiedModule(sampleText, file: "sample.rir")
    #expect(module == (try LoopParser.parseModule(sampleText, file: "sample.rir")))
  }
}
