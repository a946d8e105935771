import CodeGen
import Diagnostics
import LoopIR
import Tensors
import Testing

@testable import Schedules

/// Schedule files for GPUs: what may be chosen, and that kernels are computed so.
@Suite struct TileChoicesTests {
  private static let convolution = KernelCase.convolution(32, 16, size: (9, 11))
  private static let kernel = "convolution3x3_32_relu_1x16x9x11"

  private static let text = """
    rephase_schedule 1
    target "sm_90" {processor = "sm_90", vector_bytes = 16}
    precision tf32
    kernel @\(kernel) matrix {tiles = 1, parts = 2, groups = 1, across = 1, down = 4, inputs = 8, ahead = 2}

    """

  private func scheduled(
    _ text: String, _ item: KernelCase = convolution, target: String = "sm_90",
    precision: Precision = .tf32
  ) throws -> LoopModule {
    let choices = try ScheduleChoices(parsing: text, file: "small.schedule")
    let module = try Scheduler.schedule(
      try item.plain(), for: try Targets.resolve(target), precision: precision, by: choices)
    try LoopVerifier.verify(module)
    return module
  }

  private func alternatives(
    _ item: KernelCase, _ precision: Precision
  ) throws -> TileAlternatives {
    try #require(
      Scheduler.tiles(
        for: try item.plain(), target: try Targets.resolve("sm_90"), precision: precision))
  }

  @Test func filesReadBack() throws {
    let choices = try ScheduleChoices(parsing: Self.text, file: "small.schedule")
    #expect(choices.text() == Self.text)
    let sharing = Self.text.replacing("ahead = 2}", with: "ahead = 2, shares_rows = 1}")
    #expect(try ScheduleChoices(parsing: sharing, file: "small.schedule").text() == sharing)
  }

  @Test func kernelsAreComputedAsTheFileSays() throws {
    let text = LoopPrinter.text(try scheduled(Self.text))
    #expect(text.contains("allocate %pixels : f32[3, 10, 10, 8] shared"), "a ring of three")
    #expect(text.contains("gpu_thread for %t in 0 ..< 128"))
    let narrower = LoopPrinter.text(
      try scheduled(Self.text.replacing("parts = 2", with: "parts = 1")))
    #expect(narrower.contains("gpu_block for %block in 0 ..< 8"))
    let fma = LoopPrinter.text(
      try scheduled(
        Self.text.replacing(
          try Regex("matrix .*"),
          with:
            "fma {rows = 2, channels = 4, groups = 4, width = 8, bands = 4, inputs = 8, ahead = 1}"
        )))
    #expect(!fma.contains("mma %") && fma.contains("allocate %sum : f32[128, 2, 4] register"))
  }

  /// What is wrong, by a change of the text, and where.
  private static let mistakes: [ScheduleMistake] = [
    ("\"sm_90\" {processor = \"sm_90\"", "\"sm_80\" {processor = \"sm_80\"", "measured for", 2),
    ("precision tf32", "precision bf16", "the schedule is one for the precision", 3),
    ("precision tf32", "precision tf32\nimages 1", "a GPU runs all images of a batch together", 4),
    ("1x16x9x11", "1x16x9x12", "f has no kernel @convolution3x3_32_relu_1x16x9x12", 4),
    ("@\(kernel)", "@convert_16", "there is nothing to choose for @convert_16", 4),
    ("matrix {", "wide {", "expected 'direct' or 'winograd', or for a GPU one of", 4),
    ("tiles = 1", "tiles = 5", "cannot be computed as matrix {tiles = 5, ", 4),
    ("tiles = 1", "tiles = -1", "cannot be computed as matrix", 4),
    ("parts = 2", "parts = 4", "cannot be computed as matrix", 4),
    ("inputs = 8", "inputs = 9223372036854775807", "cannot be computed as matrix", 4),
    ("ahead = 2", "ahead = 5", "cannot be computed as matrix", 4),
    ("ahead = 2", "ahead = 0", "cannot be computed as matrix", 4),
    ("tiles = 1, parts = 2", "parts = 2, tiles = 1", "expected 'tiles'", 4),
    (", ahead = 2}", "}", "expected ','", 4),
    (", ahead = 2}", ", ahead = 2,}", "expected another number", 4),
    ("matrix {tiles", "direct {columns", "expected 'vectors'", 4),
    (
      "matrix {tiles = 1, parts = 2, groups = 1, across = 1, down = 4, inputs = 8, ahead = 2}",
      "direct {columns = 1, vectors = 2}", "which is for CPUs", 4
    ),
    (
      "matrix {tiles = 1, parts = 2, groups = 1, across = 1, down = 4, inputs = 8, ahead = 2}",
      "narrow {rows = 1, channels = 16, groups = 1, parts = 8, width = 8, bands = 4, lanes = 4, columns = 3}",
      "cannot be computed as narrow", 4
    ),
  ]

  @Test(arguments: mistakes.indices)
  func whatDoesNotFitIsRefused(_ number: Int) throws {
    try expectRefusal(of: Self.mistakes[number], in: Self.text) { try scheduled($0) }
  }

  /// Matrices that are read whole cannot be converted to float64 on the way.
  @Test func tilesMustSuitThePrecision() throws {
    let text = Self.text.replacing("ahead = 2}", with: "ahead = 2, ldmatrix = 1}")
    #expect(LoopPrinter.text(try scheduled(text)).contains("ldmatrix"))
    #expect {
      try scheduled(text.replacing("tf32", with: "strict"), precision: .strict)
    } throws: {
      "\($0)".contains("ldmatrix = 1} at strict precision")
    }
  }

  @Test func processorsRefuseTiles() throws {
    let choices = try ScheduleChoices(
      parsing: Self.text.replacing("tf32", with: "standard")
        .replacing("\"sm_90\"", with: "\"x86-64-v3\"")
        .replacing("vector_bytes = 16", with: "vector_bytes = 32"), file: "small.schedule")
    #expect {
      try Scheduler.schedule(
        try Self.convolution.plain(), for: try Targets.resolve("x86-64-v3"),
        precision: .standard, by: choices)
    } throws: {
      "\($0)".contains("which is for GPUs (small.schedule:4:1)")
    }
  }

  private static let offered: [KernelCase] = [
    .convolution(16, 8, size: (5, 9)), .convolution(1, 8, size: (4, 5)),
    .convolution(16, 1, size: (4, 5)), .convolution(16, 8, size: (5, 6), strides: (2, 1)),
  ]

  /// Of every kind that can compute the convolution, tiles that are offered are taken and keep the promise.
  @Test(arguments: offered, [Precision.strict, .standard, .bf16])
  func offeredTilesComputeTheSame(_ item: KernelCase, precision: Precision) throws {
    let plain = try item.plain()
    let target = try Targets.resolve("sm_90")
    let expected = try LoopInterpreter.run(
      plain, parameters: try item.weights, inputs: try item.inputs)
    let alternatives = try alternatives(item, precision)
    let kernel = try #require(alternatives.kernels.first { $0.contains("convolution") })
    let standard = try #require(alternatives.standard(kernel))
    let promising = alternatives.promising(kernel, atMost: 3)
    let all = Set(promising + alternatives.neighbours(kernel, of: standard).prefix(1))
    #expect(all.count > 2 && Set(promising).count == promising.count)
    var choices = ScheduleChoices(for: target, precision: precision)
    for choice in all {
      choices.kernels = [.init(kernel, choice)]
      let read = try ScheduleChoices(parsing: choices.text(), file: "offered")
      let module = try Scheduler.schedule(plain, for: target, precision: precision, by: read)
      try LoopVerifier.verify(module)
      let actual = try LoopInterpreter.run(
        module, parameters: try item.weights, inputs: try item.inputs)
      #expect(largestError(actual, expected) <= precision.promise, "\(choice)")
    }
    choices.kernels = [.init(kernel, standard)]
    let module = try Scheduler.schedule(plain, for: target, precision: precision, by: choices)
    #expect(module == Scheduler.schedule(plain, for: target, precision: precision))
  }

  /// Kernels that become several, because their calls have other layouts or types, have one choice.
  @Test func versionsOfAKernelShareItsChoice() throws {
    #expect(
      LoopModule.generalName("convolution3x3_8_1x8x9x10_layout2_stored3")
        == "convolution3x3_8_1x8x9x10")
    #expect(LoopModule.generalName("my_layout_x") == "my_layout_x")
    let item = KernelCase.residual()
    let alternatives = try alternatives(item, .bf16)
    let kernel = try #require(alternatives.kernels.first)
    let standard = try #require(alternatives.standard(kernel))
    let other = try #require(
      alternatives.promising(kernel, atMost: 9).first { $0 != standard })
    let target = try Targets.resolve("sm_90")
    var choices = ScheduleChoices(for: target, precision: .bf16)
    choices.kernels = [.init(kernel, other)]
    let module = try Scheduler.schedule(
      try item.plain(), for: target, precision: .bf16, by: choices)
    let usual = Scheduler.schedule(try item.plain(), for: target, precision: .bf16)
    #expect(module.kernels.map(\.name) == usual.kernels.map(\.name))
    #expect(module != usual)
  }

  /// Winograd's products are for split factors, 3x3 kernels without strides, and enough channels.
  @Test(arguments: [
    (32, 1, Precision.standard, "winograd_matrix"), (32, 2, .standard, "matrix"),
    (32, 1, .tf32, "matrix"),
    (8, 1, .standard, "matrix"), (1, 1, .standard, "narrow"),
  ])
  func theCostModelChoosesKinds(
    _ outputs: Int, _ stride: Int, _ precision: Precision, _ kind: String
  ) throws {
    let item = KernelCase.convolution(32, outputs, size: (192, 128), strides: (stride, stride))
    let alternatives = try alternatives(item, precision)
    let kernel = try #require(alternatives.kernels.first)
    #expect(alternatives.standard(kernel)?.description.hasPrefix(kind + " ") == true)
  }

  /// Most of the choices are of the cost model's kind, and all kinds are tried.
  @Test func choicesAreSpreadOverKindsAndShapes() throws {
    let alternatives = try alternatives(.convolution(32, 32, size: (192, 128)), .tf32)
    let kernel = try #require(alternatives.kernels.first)
    let choices = alternatives.promising(kernel, atMost: 24).map(\.description)
    #expect(choices.count == 24)
    #expect(choices.filter { $0.hasPrefix("matrix ") }.count == 16)
    #expect(choices.filter { $0.hasPrefix("fma ") }.count == 8)
    #expect(!choices.contains { $0.contains("ldmatrix") })
    #expect(
      alternatives.neighbours(kernel, of: try #require(alternatives.standard(kernel)))
        .count > 8)
  }
}
