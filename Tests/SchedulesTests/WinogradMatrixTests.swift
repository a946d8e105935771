import CodeGen
import Diagnostics
import LoopIR
import Tensors
import Testing

@testable import Schedules

/// Convolutions by Winograd's algorithm on tensor cores, which a schedule file chooses, against the plain loops.
@Suite struct WinogradMatrixTests {
  /// A convolution that has squares left over, several chunks or several runs of channels; and the tile that computes it.
  private static let cases: [(KernelCase, String)] = [
    (
      .convolution(32, 32, size: (9, 11)),
      "outputs = 2, across = 8, down = 2, warps = 8, parts = 4, inputs = 16, ahead = 1"
    ),
    (
      .convolution(64, 16, size: (7, 18)),
      "outputs = 2, across = 4, down = 4, warps = 4, parts = 1, inputs = 8, ahead = 2"
    ),
    (
      .convolution(16, 32, size: (9, 10)),
      "outputs = 4, across = 4, down = 4, warps = 12, parts = 4, inputs = 16, ahead = 1"
    ),
  ]

  private func scheduled(_ item: KernelCase, _ tile: String) throws -> LoopModule {
    let (plain, target) = (try item.plain(), try Targets.resolve("sm_90"))
    let kernel = try #require(plain.kernels.first { StagedConvolution($0) != nil }?.name)
    let text = """
      rephase_schedule 1
      target "sm_90" {processor = "sm_90", vector_bytes = 16}
      precision standard
      kernel @\(kernel) winograd_matrix {\(tile)}
      """
    return try Scheduler.schedule(
      plain, for: target, precision: .standard,
      by: try ScheduleChoices(parsing: text, file: "schedule"))
  }

  @Test(arguments: cases) func valuesAreThoseOfThePlainLoops(
    _ item: KernelCase, _ tile: String
  ) throws {
    let (weights, inputs) = (try item.weights, try item.inputs)
    let module = try scheduled(item, tile)
    try LoopVerifier.verify(module)
    let text = LoopPrinter.text(module)
    #expect(text.contains("%planes") && text.contains("mma %"))
    let expected = try LoopInterpreter.run(try item.plain(), parameters: weights, inputs: inputs)
    let actual = try LoopInterpreter.run(module, parameters: weights, inputs: inputs)
    let error = largestError(actual, expected)
    #expect(error <= Precision.standard.promise)
    #expect(error > 0, "these are other sums")
  }

  /// The weights themselves are not needed any more when the model runs.
  @Test func weightsAreTransformedBefore() throws {
    let (item, tile) = Self.cases[0]
    let module = try scheduled(item, tile)
    let constants = module.buffers.filter { $0.role == .constant }.map(\.buffer)
    #expect(constants.contains { $0.extents == [16, 32, 32] })
    #expect(!constants.contains { $0.extents == [32, 32, 3, 3] })
    #expect(module.prepare.contains { $0.calledKernel?.contains("winograd2x2_matrix") == true })
  }

  /// Other precisions, strides and kernels have no such tiles.
  @Test(arguments: [
    (32, 32, 3, (1, 1), Precision.standard, true), (32, 32, 3, (1, 1), .tf32, false),
    (32, 32, 3, (1, 1), .bf16, false), (32, 32, 3, (2, 1), .standard, false),
    (32, 32, 5, (1, 1), .standard, false), (12, 32, 3, (1, 1), .standard, false),
    (32, 20, 3, (1, 1), .standard, false),
  ])
  func tilesAreThereWhereChannelsFillMatrices(
    _ inputs: Int, _ outputs: Int, _ kernel: Int, _ strides: (Int, Int), _ precision: Precision,
    _ areThere: Bool
  ) throws {
    let item = KernelCase.convolution(
      inputs, outputs, kernel: kernel, size: (16, 16), strides: strides)
    let form = try #require(
      try item.plain().kernels.lazy.compactMap { StagedConvolution($0) }.first)
    let gpu = GPU(multiprocessors: 132)
    #expect(WinogradTile.tiles(form, gpu, precision).isEmpty == !areThere)
    #expect(WinogradTile.standard(form, gpu, precision) == nil, "no GPU has timed them")
  }
}
