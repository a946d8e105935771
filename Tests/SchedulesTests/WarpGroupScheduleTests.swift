import CodeGen
import Diagnostics
import LoopIR
import Tensors
import Testing

@testable import Schedules

/// Convolutions by warp groups, which a schedule file chooses, against the plain loops.
@Suite struct WarpGroupScheduleTests {
  /// A convolution that has rows and columns left over, a stride, several chunks, or several images; and the tile that computes it.
  private static let cases: [(KernelCase, String)] = [
    (.convolution(32, 64, size: (9, 9)), "tiles = 1, parts = 8, down = 2, inputs = 16, ahead = 1"),
    (
      .convolution(64, 64, size: (17, 8), strides: (2, 1)),
      "tiles = 1, parts = 8, down = 1, inputs = 32, ahead = 2"
    ),
    (
      .convolution(16, 64, kernel: 1, size: (17, 5)),
      "tiles = 2, parts = 8, down = 1, inputs = 16, ahead = 1"
    ),
    (
      .convolution(32, 64, size: (9, 9), batch: 2),
      "tiles = 1, parts = 8, down = 1, inputs = 16, ahead = 3, turns = 4"
    ),
  ]

  private func scheduled(
    _ item: KernelCase, _ tile: String, _ precision: Precision
  ) throws -> LoopModule {
    let (plain, target) = (try item.plain(), try Targets.resolve("sm_90"))
    let kernel = try #require(plain.kernels.first { StagedConvolution($0) != nil }?.name)
    let text = """
      rephase_schedule 1
      target "sm_90" {processor = "sm_90", vector_bytes = 16}
      precision \(precision.rawValue)
      kernel @\(kernel) warp_groups {\(tile)}
      """
    return try Scheduler.schedule(
      plain, for: target, precision: precision,
      by: try ScheduleChoices(parsing: text, file: "schedule"))
  }

  @Test(arguments: cases, [Precision.tf32, .bf16])
  func valuesAreThoseOfThePlainLoops(
    _ what: (item: KernelCase, tile: String), _ precision: Precision
  ) throws {
    let (weights, inputs) = (try what.item.weights, try what.item.inputs)
    let module = try scheduled(what.item, what.tile, precision)
    try LoopVerifier.verify(module)
    #expect(module.usesWarpGroups)
    let expected = try LoopInterpreter.run(
      try what.item.plain(), parameters: weights, inputs: inputs)
    let actual = try LoopInterpreter.run(module, parameters: weights, inputs: inputs)
    #expect(largestError(actual, expected) <= precision.promise)
  }

  /// Where the cost model chooses, nothing changes.
  @Test func theCostModelChoosesNone() throws {
    let module = Scheduler.schedule(
      try KernelCase.convolution(64, 64, size: (16, 16)).plain(), for: try Targets.resolve("sm_90"),
      precision: .bf16)
    #expect(!module.usesWarpGroups && LoopPrinter.text(module).contains("mma %"))
  }

  /// Split factors, strides between neighbouring pixels, few channels, and other GPUs have no such tiles.
  @Test(arguments: [
    (64, 64, (1, 1), Precision.bf16, true, true), (64, 64, (1, 1), .standard, true, false),
    (64, 64, (1, 2), .bf16, true, false), (64, 32, (1, 1), .bf16, true, false),
    (24, 64, (1, 1), .bf16, true, false), (24, 64, (1, 1), .tf32, true, true),
    (64, 64, (1, 1), .bf16, false, false),
  ])
  func tilesAreThereForWideConvolutions(
    _ inputs: Int, _ outputs: Int, _ strides: (Int, Int), _ precision: Precision,
    _ hasWarpGroups: Bool, _ areThere: Bool
  ) throws {
    let plain = try KernelCase.convolution(inputs, outputs, size: (16, 16), strides: strides)
      .plain()
    let form = try #require(plain.kernels.lazy.compactMap { StagedConvolution($0) }.first)
    let gpu = GPU(multiprocessors: 132, hasWarpGroups: hasWarpGroups)
    #expect(WarpGroupTile.tiles(form, gpu, precision).isEmpty == !areThere)
  }
}
