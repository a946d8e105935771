import Diagnostics
import Tensors
import Testing

@testable import LoopIR

/// Slices of inputs and outputs: some images of a batch.
@Suite struct SliceTests {
  private func module(_ calls: String, _ slices: String = Self.halves) throws -> LoopModule {
    try LoopParser.parseModule(
      """
      rephase_loops 1
      module @halves {
        input %x "x" : f32[2, 3]
        output %y "y" : f32[2, 3]
        \(slices)
        kernel @double(in %a: f32[1, 3], out %b: f32[1, 3]) {
          for %i in 0 ..< 3 { %b[0, %i] = %a[0, %i] + %a[0, %i] }
        }
        run { \(calls) }
      }
      """, file: "slices.loops")
  }

  private static let halves = """
    slice %x.0 : f32[1, 3] of %x at 0
    slice %x.1 : f32[1, 3] of %x at 3
    slice %y.0 : f32[1, 3] of %y at 0
    slice %y.1 : f32[1, 3] of %y at 3
    """

  @Test func theInterpreterReadsAndWritesTheirPlaces() throws {
    let module = try module("call @double(%x.1, %y.0) call @double(%x.0, %y.1)")
    let input = try Tensor<Double>(try Shape([2, 3]), [1, 2, 3, 4, 5, 6])
    let output = try LoopInterpreter.run(module, parameters: [:], inputs: [input])
    #expect(output[0].values == [8, 10, 12, 2, 4, 6])
  }

  @Test func theTextReadsBack() throws {
    let module = try module("call @double(%x.1, %y.0) call @double(%x.0, %y.1)")
    #expect(try LoopParser.parseModule(LoopPrinter.text(module), file: "again") == module)
  }

  /// What the programs may not do, and the constraint that says so.
  @Test(arguments: [
    ("call @double(%x.0, %y.0)", "output %y is never written [L21]"),
    ("call @double(%x.0, %x.1)", "slice %x.1 cannot be written here [L19]"),
    ("call @double(%y.0, %y.1)", "slice %y.0 is read before it is written [L21]"),
    ("call @double(%x.0, %y.0) call @double(%y.0, %y.0)", "and one of them is written [L20]"),
  ])
  func programsKeepTheRules(_ calls: String, _ message: String) throws {
    let module = try module(calls)
    do throws(Diagnostic) {
      try LoopVerifier.verify(module)
      Issue.record("nothing was found")
    } catch { #expect(error.message.hasSuffix(message), "\(error.message)") }
  }

  /// A hole between two slices is not written.
  @Test func slicesMustCoverTheOutput() throws {
    let slices = """
      slice %x.0 : f32[1, 3] of %x at 0
      slice %y.0 : f32[1, 3] of %y at 0
      slice %y.1 : f32[1, 3] of %y at 2
      """
    let module = try module("call @double(%x.0, %y.0) call @double(%x.0, %y.1)", slices)
    #expect(throws: Diagnostic.self) { try LoopVerifier.verify(module) }
  }
}
