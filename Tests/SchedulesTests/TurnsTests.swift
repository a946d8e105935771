import CodeGen
import Diagnostics
import LoopIR
import Tensors
import Testing

@testable import Schedules

/// Blocks that keep their weights while they go through several tiles of pixels, which a schedule file chooses.
@Suite struct TurnsTests {
  /// Eight tiles of pixels, with rows and columns left over, and two chunks of input channels.
  private static let convolution = KernelCase.convolution(32, 16, size: (9, 11), batch: 2)
  private static let kernel = "convolution3x3_32_relu_2x16x9x11"

  private func scheduled(_ turns: Int, _ ahead: Int, _ precision: Precision) throws -> LoopModule {
    let tile =
      "tiles = 1, parts = 2, groups = 1, across = 1, down = 4, inputs = 16, ahead = \(ahead)"
    let text = """
      rephase_schedule 1
      target "sm_90" {processor = "sm_90", vector_bytes = 16}
      precision \(precision.rawValue)
      kernel @\(Self.kernel) matrix {\(tile), turns = \(turns)}

      """
    let choices = try ScheduleChoices(parsing: text, file: "turns.schedule")
    #expect(choices.text() == text)
    return try Scheduler.schedule(
      try Self.convolution.plain(), for: try Targets.resolve("sm_90"), precision: precision,
      by: choices)
  }

  @Test(arguments: [(2, 1), (4, 2), (8, 3), (8, 4)], [Precision.standard, .tf32, .bf16])
  func valuesAreThoseOfThePlainLoops(_ ring: (turns: Int, ahead: Int), _ precision: Precision)
    throws
  {
    let item = Self.convolution
    let module = try scheduled(ring.turns, ring.ahead, precision)
    try LoopVerifier.verify(module)
    let (weights, inputs) = (try item.weights, try item.inputs)
    let expected = try LoopInterpreter.run(
      try item.plain(), parameters: weights, inputs: inputs)
    let actual = try LoopInterpreter.run(module, parameters: weights, inputs: inputs)
    #expect(largestError(actual, expected) <= precision.promise)
  }

  /// Weights have room for all chunks, pixels for those on their way and one more.
  @Test func weightsStay() throws {
    let text = LoopPrinter.text(try scheduled(4, 2, .tf32))
    #expect(text.contains("gpu_block for %block in 0 ..< 2"))
    #expect(text.contains("for %turn in 0 ..< 4"))
    #expect(text.contains("allocate %weights : f32[2, 3, 3, 16, 16] shared"))
    #expect(text.contains("allocate %pixels : f32[3, 10, 10, 16] shared"))
  }

  @Test func noBlockHasFewerTurns() throws {
    #expect { try scheduled(3, 2, .tf32) } throws: {
      "\($0)".contains("cannot be computed as matrix") && "\($0)".contains("turns = 3}")
    }
  }
}
