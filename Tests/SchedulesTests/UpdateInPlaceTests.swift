import LoopIR
import Testing

@testable import Schedules

/// Results over operands: only where nobody can tell but by the memory that is needed.
@Suite struct UpdateInPlaceTests {
  /// A module with the temporaries %a, %b, %c and %d, of kernels and calls after the first two.
  private func module(_ kernels: String, run: String) throws -> LoopModule {
    let text = """
      rephase_loops 1
      module @m {
        input %x "x" : f32[8]
        output %y "y" : f32[8]
        temporary %a : f32[8]
        temporary %b : f32[8]
        temporary %c : f32[8]
        temporary %d : f32[8]
        kernel @copy(in %from: f32[8], out %to: f32[8]) { for %i in 0 ..< 8 { %to[%i] = %from[%i] } }
        kernel @double(in %from: f32[8], out %to: f32[8]) {
          for %i in 0 ..< 8 { %to[%i] = %from[7 - %i] * f32 2.0 }
        }
        \(kernels)
        run { call @copy(%x, %a) call @double(%a, %b) \(run) }
      }
      """
    let module = try LoopParser.parseModule(text, file: "m.loops")
    try LoopVerifier.verify(module)
    return module
  }

  /// The module with results in place, which gives the same values.
  private func updated(_ kernels: String, run: String) throws -> LoopModule {
    let plain = try module(kernels, run: run)
    let result = UpdateInPlace.apply(to: plain)
    try LoopVerifier.verify(result)
    #expect(try values(PlanMemory.apply(to: result)) == values(plain))
    return result
  }

  private func values(_ module: LoopModule) throws -> [[Double]] {
    try LoopInterpreter.run(module, parameters: [:], inputs: [noise([8], seed: 3)]).map(\.values)
  }

  private let add = """
    kernel @add(in %p: f32[8], in %q: f32[8], out %r: f32[8]) {
      for %i in 0 ..< 8 { let %s = %p[%i] * f32 3.0 %r[%i] = %s + %q[%i] }
    }
    """

  @Test func theResultTakesThePlaceOfAnOperandThatNobodyReadsLater() throws {
    let result = try updated(
      add, run: "call @add(%a, %b, %c) call @add(%c, %b, %d) call @copy(%d, %y)")
    let calls = result.run.suffix(3)
    #expect(
      Array(calls) == [
        .call("add", ["b", "a"]), .call("add", ["b", "a"]), .call("copy", ["a", "y"]),
      ])
    let kernel = try #require(result.kernel(named: "add"))
    #expect(kernel.parameters.map(\.access) == [.read, .update])
    #expect(result.buffer(named: "c") == nil && result.buffer(named: "d") == nil)
  }

  @Test func theOtherOperandServesAsWell() throws {
    let result = try updated(
      add, run: "call @add(%a, %b, %c) call @add(%a, %c, %d) call @copy(%d, %y)")
    #expect(
      Array(result.run.suffix(3)) == [
        .call("add", ["a", "b"]), .call("add", ["a", "b"]), .call("copy", ["b", "y"]),
      ])
  }

  @Test(arguments: [
    // Both are read later, by the same kernel or another one.
    "call @add(%a, %b, %c) call @add(%a, %b, %d) call @copy(%c, %y)",
    "call @add(%a, %b, %c) call @copy(%a, %d) call @copy(%b, %d) call @copy(%c, %y)",
    // The result is the host's.
    "call @add(%a, %b, %y)",
    // One buffer is both operands.
    "call @add(%a, %a, %c) call @copy(%c, %y)",
    // The result has held other values before.
    "call @copy(%a, %c) call @copy(%c, %d) call @add(%a, %b, %c) call @copy(%c, %y)",
  ])
  func whatIsUsedElsewhereStays(_ run: String) throws {
    #expect(try updated(add, run: run) == module(add, run: run))
  }

  @Test(arguments: [
    "for %i in 0 ..< 8 { %r[%i] = %p[7 - %i] }",
    "for %i in 0 ..< 8 { %r[%i] = f32 1.0 let %s = %p[%i] %r[7 - %i] = %s }",
    "for %i in 0 ..< 8 { %r[%i] = %p[%i] } for %j in 0 ..< 8 { if %p[%j] < f32 0.0 { %r[0] = f32 1.0 } }",
    "for %i in 0 ..< 8 { %r[%i] = f32 0.0 let %s = %p[%i] }",
  ])
  func whatIsReadElsewhereStays(_ body: String) throws {
    let kernel = "kernel @k(in %p: f32[8], out %r: f32[8]) { \(body) }"
    let run = "call @k(%b, %c) call @copy(%c, %y)"
    #expect(try updated(kernel, run: run) == module(kernel, run: run))
  }
}
