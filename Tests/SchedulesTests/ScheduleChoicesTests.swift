import CodeGen
import Diagnostics
import LoopIR
import Tensors
import Testing

@testable import Schedules

/// Schedule files: reading, refusing what does not fit, and kernels that are computed as they say.
@Suite struct ScheduleChoicesTests {
  private static let convolution = KernelCase.convolution(8, 16, size: (9, 11))
  private static let kernel = "convolution3x3_8_relu_1x16x9x11"

  private static let text = """
    rephase_schedule 1
    // small, 1 thread
    target "x86-64-v3" {processor = "x86-64-v3", vector_bytes = 32}
    precision standard
    kernel @\(kernel) winograd {transform = "2x2", tiles = 6, product_tiles = 3, product_vectors = 2}  // 1 ms

    """

  private func scheduled(
    _ text: String, _ item: KernelCase = convolution, target: String = "x86-64-v3",
    precision: Precision = .standard
  ) throws -> LoopModule {
    let choices = try ScheduleChoices(parsing: text, file: "small.schedule")
    return try Scheduler.schedule(
      try item.plain(), for: try Targets.resolve(target), precision: precision, by: choices)
  }

  @Test func filesReadBack() throws {
    var choices = ScheduleChoices(
      for: try Targets.resolve("x86-64-v3"), precision: .standard)
    choices.kernels = [
      .init(
        Self.kernel,
        .winograd(transform: "2x2", tiles: 6, productTiles: 3, productVectors: 2), remark: "1 ms")
    ]
    #expect(choices.text(remarks: ["small, 1 thread"]) == Self.text)
    choices.images = 2
    choices.precision = .strict
    choices.kernels.append(.init("other", .direct(columns: 4, vectors: 1)))
    let read = try ScheduleChoices(parsing: choices.text(), file: "small.schedule")
    choices.kernels[0].remark = ""
    #expect(read.text() == choices.text())
  }

  @Test func kernelsAreComputedAsTheFileSays() throws {
    let module = try scheduled(Self.text)
    #expect(module.kernels.contains { $0.name == Self.kernel + "_winograd2x2" })
    #expect(LoopPrinter.text(module).contains("f32[16, 6, 8]"), "six tiles in a strip")
    #expect(try scheduled(Self.text) == module)
    let direct = try scheduled(
      Self.text.replacing(
        try Regex("winograd .*"), with: "direct {columns = 3, vectors = 2}"))
    #expect(LoopPrinter.text(direct).contains("allocate %sum : f32[3, 16]"))
  }

  /// What is wrong, by a change of the text, and where.
  private static let mistakes: [ScheduleMistake] = [
    ("rephase_schedule 1", "rephase_loops 1", "this is not a schedule file", 1),
    ("rephase_schedule 1", "rephase_schedule 2", "version 2 of schedule files is not known", 1),
    ("target \"x86-64-v3\"", "target x86", "expected the target's name in quotes", 3),
    ("target \"x86-64-v3\"", "target \"native\"", "the schedule was measured for the target", 3),
    ("processor = \"x86-64-v3\"", "processor = \"znver5\"", "the schedule was measured for", 3),
    ("vector_bytes = 32", "vector_bytes = 64", "the schedule was measured for the target", 3),
    ("precision standard", "precision exact", "there is no precision 'exact'", 4),
    ("precision standard", "precision strict", "the schedule is one for the precision", 4),
    ("precision standard", "precision standard\nimages 1", "f cannot run 1 images at a time", 5),
    ("1x16x9x11", "1x16x9x12", "f has no kernel @convolution3x3_8_relu_1x16x9x12", 5),
    ("\"2x2\"", "\"6x6\"", "cannot be computed as winograd {transform = \"6x6\"", 5),
    ("tiles = 6", "tiles = 7", "cannot be computed as winograd", 5),
    ("tiles = 6", "tiles = 9223372036854775807", "cannot be computed as winograd", 5),
    ("tiles = 6", "tiles = -6", "cannot be computed as winograd", 5),
    ("product_tiles = 3", "product_tiles = 0", "cannot be computed as winograd", 5),
    ("product_vectors = 2", "product_vectors = 3", "cannot be computed as winograd", 5),
    ("winograd {", "fast {", "expected 'direct' or 'winograd', or for a GPU one of 'narrow', ", 5),
    ("kernel @", "kernel ", "expected a kernel's name", 5),
    ("product_vectors = 2}", "product_vectors = 2", "expected '}'", 6),
  ]

  @Test(arguments: mistakes.indices)
  func whatDoesNotFitIsRefused(_ number: Int) throws {
    try expectRefusal(of: Self.mistakes[number], in: Self.text) { try scheduled($0) }
  }

  @Test func aKernelHasOneChoice() throws {
    let line = "kernel @k direct {columns = 1, vectors = 1}\n"
    #expect {
      try scheduled(Self.text + line + line)
    } throws: {
      ($0 as? Diagnostic)?.message == "there are two choices for @k"
    }
  }

  @Test func strictPrecisionRefusesWinograd() throws {
    let text = Self.text.replacing("precision standard", with: "precision strict")
    #expect {
      try scheduled(text, precision: .strict)
    } throws: {
      "\($0)".contains("cannot be computed by Winograd's algorithm at strict precision")
    }
  }

  @Test func weightsAndPreparedKernelsHaveNoChoice() throws {
    let text = Self.text.replacing("@\(Self.kernel)", with: "@convert_16")
    #expect {
      try scheduled(text)
    } throws: {
      "\($0)".contains("there is nothing to choose for @convert_16")
    }
  }

  /// Every choice that is offered is taken, and computes the convolution.
  @Test(
    arguments: [convolution, .convolution(32, 1, size: (5, 20)), WinogradTests.upsampledSkip(16)],
    Precision.ofCPUs)
  func allAlternativesComputeTheSame(_ item: KernelCase, precision: Precision) throws {
    let plain = try item.plain()
    let target = try Targets.resolve("x86-64-v3")
    let expected = try LoopInterpreter.run(
      plain, parameters: try item.weights, inputs: try item.inputs)
    var choices = ScheduleChoices(for: target, precision: precision)
    let alternatives = try Scheduler.alternatives(for: plain, target: target, choices)
    let kernel = try #require(alternatives.kernels.first { $0.contains("convolution") })
    let standard = try #require(alternatives.standard(kernel))
    let all =
      [standard] + alternatives.promising(kernel, atMost: 8)
      + alternatives.otherStrips(kernel, like: standard, atMost: 2)
    #expect(Set(all).count > 2)
    for choice in all {
      choices.kernels = [.init(kernel, choice)]
      let module = try Scheduler.schedule(plain, for: target, precision: precision, by: choices)
      try LoopVerifier.verify(module)
      let actual = try LoopInterpreter.run(
        module, parameters: try item.weights, inputs: try item.inputs)
      let norm = expected[0].values.map(abs).max() ?? 0
      let error = zip(actual[0].values, expected[0].values).map { abs($0 - $1) }.max() ?? .infinity
      #expect(error <= precision.promise * 0x1p-23 * norm, "\(choice)")
    }
    choices.kernels = [.init(kernel, standard)]
    let module = try Scheduler.schedule(plain, for: target, precision: precision, by: choices)
    #expect(module == Scheduler.schedule(plain, for: target, precision: precision))
  }

  @Test func imagesRunTogetherAsTheFileSays() throws {
    let item = KernelCase.convolution(8, 16, size: (4, 6), batch: 6)
    let head = Self.text.split(separator: "\n").prefix(4).joined(separator: "\n")
    let module = try scheduled(head + "\nimages 2\n", item)
    let convolutions = module.run.count { $0.calledKernel?.hasPrefix("convolution") ?? false }
    #expect(convolutions == 3)
    #expect {
      try scheduled(head + "\nimages 4\n", item)
    } throws: {
      "\($0)".contains("(small.schedule:5:1)\nhelp: it is one of 1, 2, 3, 6")
    }
  }
}
