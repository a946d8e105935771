import CodeGen
import LoopIR
import Testing

@testable import Schedules

/// Convolutions with few input or output channels on GPUs; `GPUScheduleTests` compares their values.
@Suite struct NarrowScheduleTests {
  private let gpu = GPU(multiprocessors: 132)

  private func form(_ item: KernelCase) throws -> StagedConvolution {
    let kernel = try #require(try item.plain().kernels.first { StagedConvolution($0) != nil })
    return try #require(StagedConvolution(kernel))
  }

  @Test func inputsOrOutputsAreSharedAmongThreads() throws {
    let last = try form(.convolution(32, 1, size: (192, 128)))
    let manyInputs = try #require(NarrowTile(last, gpu))
    #expect((manyInputs.parts, manyInputs.lanes, manyInputs.groups) == (8, 4, 1))
    // Enough threads for all multiprocessors to wait for memory together.
    #expect(manyInputs.blockCount(last) * manyInputs.threads >= 132 * 256)
    let first = try form(.convolution(1, 32, size: (192, 128)))
    let manyOutputs = try #require(NarrowTile(first, gpu))
    #expect((manyOutputs.parts, manyOutputs.channels, manyOutputs.groups) == (1, 4, 8))
    #expect(manyOutputs.blockCount(first) * manyOutputs.threads >= 132 * 256)
  }

  /// Wide convolutions have other schedules, and so have kernels whose pixels do not fit registers.
  @Test(arguments: [
    (KernelCase.convolution(32, 1), true), (.convolution(3, 64), true), (.convolution(64, 7), true),
    (.convolution(5, 8), false), (.convolution(32, 32), false), (.convolution(8, 16), false),
    (.convolution(8, 1, kernel: 31, size: (40, 40)), false),
  ])
  func onlyNarrowConvolutionsHaveTiles(_ item: KernelCase, _ isNarrow: Bool) throws {
    let form = try form(item)
    let kernel = NarrowTile(form, gpu).flatMap { NarrowKernel(form, $0) }
    #expect((kernel != nil) == isNarrow)
  }

  @Test func paddingIsAroundTheRowsInside() throws {
    let form = try form(.convolution(4, 1, size: (6, 9), strides: (2, 1), padding: [2, 1, 0, 1]))
    let rows = try #require(
      InsideRange(
        form.row, form.kernelRow, stride: 2, conditions: form.nest.conditions))
    // 2 rows of padding, 6 of the image, of which results see all.
    let clamped = [0, 1, 2, 5, 7, 8].map { rows.clamped(.integer($0)).simplifiedIndex() }
    #expect(clamped == [2, 2, 2, 5, 7, 7].map(Expression.integer))
    let inside = [0, 1, 2, 7, 8].map { rows.contains(.integer($0)).simplified().truth([:]) }
    #expect(inside == [false, false, true, true, false])
  }

  /// Pixels with zeros between them are no range.
  @Test func zerosBetweenRowsAreNoPadding() {
    let row = LoopNest.Dimension(name: "y", extent: 4)
    let offset = LoopNest.Dimension(name: "ky", extent: 3)
    let position = Expression.variable("y") + .variable("ky")
    let even = Expression.binary(
      .equal, .binary(.remainder, position, .integer(2)), .integer(0))
    #expect(InsideRange(row, offset, stride: 1, conditions: [even]) == nil)
    #expect(InsideRange(row, offset, stride: 1, conditions: []) != nil)
  }

  /// The parts of sums that threads exchange are guarded by the only barrier.
  @Test func theInterpreterMissesTheBarrier() throws {
    let item = KernelCase.convolution(32, 1, size: (5, 9))
    var module = Scheduler.schedule(
      try item.plain(), for: try Targets.resolve("sm_90"), precision: .tf32)
    let index = try #require(module.kernels.firstIndex { $0.name.contains("convolution") })
    var number = 0
    module.kernels[index].body = module.kernels[index].body.mapStatements { statement in
      guard case .barrier = statement else { return [statement] }
      number += 1
      return []
    }
    #expect(number == 1)
    #expect {
      _ = try LoopInterpreter.run(
        module, parameters: try item.weights, inputs: try item.inputs)
    } throws: {
      "\($0)".contains("race for")
    }
  }
}
