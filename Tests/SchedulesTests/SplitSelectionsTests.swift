import LoopIR
import Testing

@testable import Schedules

/// Loops at the breakpoints of selections: as many parts as there are outcomes, in order, with the same values.
@Suite struct SplitSelectionsTests {
  private func kernel(_ body: String) throws -> Kernel {
    let text = """
      rephase_loops 1
      module @m {
        input %x "x" : f32[24]
        output %y "y" : f32[24]
        kernel @k(in %a: f32[24], out %b: f32[24]) {
      \(body)
        }
        run { call @k(%x, %y) }
      }
      """
    return try #require(try LoopParser.parseModule(text, file: "k.loops").kernels.first)
  }

  private func split(_ body: String) throws -> Kernel {
    var kernel = try kernel(body)
    var names = NameSupply(kernel)
    for name in kernel.body.definedNames { _ = names.fresh(name) }
    kernel.body = kernel.body.splitAtSelections(&names).simplified()
    return kernel
  }

  private func expect(_ before: String, becomes after: String) throws {
    let actual = LoopPrinter.text(try split(before))
    let expected = LoopPrinter.text(try kernel(after))
    #expect(actual == expected)
  }

  @Test func eachOutcomeGetsALoop() throws {
    try expect(
      "for %i in 0 ..< 24 { %b[%i] = select(%i < 16, %a[min(%i, 15)], %a[max(%i - 16, 0)]) }",
      becomes: """
        for %i in 0 ..< 16 { %b[%i] = %a[%i] }
        for %i.1 in 16 ..< 24 { %b[%i.1] = %a[%i.1 - 16] }
        """)
  }

  @Test func nestedSelectionsGiveThreeParts() throws {
    try expect(
      "for %i in 0 ..< 24 { %b[%i] = select(%i < 4, f32 1.0, select(%i < 9, f32 2.0, %a[%i])) }",
      becomes: """
        for %i in 0 ..< 4 { %b[%i] = f32 1.0 }
        for %i.1 in 4 ..< 9 { %b[%i.1] = f32 2.0 }
        for %i.2 in 9 ..< 24 { %b[%i.2] = %a[%i.2] }
        """)
  }

  @Test func lanesDecideTogether() throws {
    try expect(
      """
      for %o in 0 ..< 6 { vectorized for %l in 0 ..< 4 {
        %b[%o * 4 + %l] = select(%o * 4 + %l < 8, %a[0], %a[1])
      } }
      """,
      becomes: """
        for %o in 0 ..< 2 { vectorized for %l in 0 ..< 4 { %b[%l + %o * 4] = %a[0] } }
        for %o.1 in 2 ..< 6 { vectorized for %l.1 in 0 ..< 4 { %b[%l.1 + %o.1 * 4] = %a[1] } }
        """)
  }

  @Test func lanesThatDisagreeKeepTheSelection() throws {
    try expect(
      """
      for %o in 0 ..< 6 { vectorized for %l in 0 ..< 4 {
        %b[%o * 4 + %l] = select(%o * 4 + %l < 10, %a[0], %a[1])
      } }
      """,
      becomes: """
        for %o in 0 ..< 2 { vectorized for %l in 0 ..< 4 { %b[%l + %o * 4] = %a[0] } }
        for %o.1 in 2 ..< 3 { vectorized for %l.1 in 0 ..< 4 {
          %b[%l.1 + %o.1 * 4] = select(%l.1 + %o.1 * 4 < 10, %a[0], %a[1])
        } }
        for %o.2 in 3 ..< 6 { vectorized for %l.2 in 0 ..< 4 { %b[%l.2 + %o.2 * 4] = %a[1] } }
        """)
  }

  @Test func outerLoopsAreSplitBeforeInnerOnes() throws {
    try expect(
      """
      for %o in 0 ..< 3 { for %i in 0 ..< 8 {
        %b[%o * 8 + %i] = select(%o * 8 + %i < 12, %a[0], %a[1])
      } }
      """,
      becomes: """
        for %o in 0 ..< 1 { for %i in 0 ..< 8 { %b[%i + %o * 8] = %a[0] } }
        for %o.1 in 1 ..< 2 {
          for %i.1 in 0 ..< 4 { %b[%i.1 + %o.1 * 8] = %a[0] }
          for %i.1.1 in 4 ..< 8 { %b[%i.1.1 + %o.1 * 8] = %a[1] }
        }
        for %o.2 in 2 ..< 3 { for %i.2 in 0 ..< 8 { %b[%i.2 + %o.2 * 8] = %a[1] } }
        """)
  }

  @Test func whatAnOuterVariableDecidesIsDecidedAroundTheInnermostLoop() throws {
    try expect(
      """
      for %o in 0 ..< 3 { let %n = %o * %o
        for %i in 0 ..< 8 { %b[%i + %o * 8] = select(1 <= %n, %a[%i], f32 0.0) }
      }
      """,
      becomes: """
        for %o in 0 ..< 3 { let %n = %o * %o
          if 1 <= %n { for %i in 0 ..< 8 { %b[%i + %o * 8] = %a[%i] } }
          else { for %i.1 in 0 ..< 8 { %b[%i.1 + %o * 8] = f32 0.0 } }
        }
        """)
  }

  @Test(arguments: [
    // What the loop itself changes, and what would make many loops of one.
    "for %i in 0 ..< 24 { %b[%i] = select(%b[0] < f32 1.0, %a[0], %a[1]) }",
    """
    for %o in 0 ..< 9 { let %n = %o * %o for %i in 0 ..< 2 {
      %b[%i] = select(%n < 2, f32 0.0, select(%n < 5, f32 1.0, select(%n < 20, f32 2.0, select(%n < 40, f32 3.0, %a[%i]))))
    } }
    """,
    "parallel for %i in 0 ..< 24 { %b[%i] = select(%i < 16, %a[0], %a[1]) }",
    "for %i in 0 ..< 24 { %b[%i] = select(%i mod 2 == 0, %a[0], %a[1]) }",
    "for %i in 0 ..< 24 { %b[%i] = select(%a[%i] < f32 0.0, %a[0], %a[1]) }",
  ])
  func otherLoopsStayWhole(_ body: String) throws {
    #expect(try split(body) == (try kernel(body)))
  }
}
