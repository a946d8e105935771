import CodeGen
import Execution
import LoopIR
import Operations
import Tensors
import Testing

@testable import Schedules

/// Convolutions by Winograd's algorithm against the plain loops and the float64 reference.
@Suite struct WinogradTests {
  /// 3x3, stride 1: sizes that tiles divide and sizes that they do not, paddings, batches, few and many channels.
  static let cases: [KernelCase] =
    [(8, 8), (9, 11), (1, 1), (2, 7), (12, 6)].map {
      .convolution(8, 16, size: $0)
    } + [
      .convolution(16, 8, size: (7, 9), padding: [0, 0, 0, 0]),
      .convolution(4, 12, size: (6, 6), padding: [2, 1, 0, 2]),
      .convolution(8, 8, size: (5, 10), batch: 3), .convolution(24, 32, size: (4, 13)),
      .residual(), upsampledSkip(16), upsampledSkip(12),
    ] + dilated + NeighbourSlicesTests.volumes + NeighbourSlicesTests.others

  /// Rows and columns that phases share evenly or not, and fewer than there are phases: some tiles are empty then.
  static let dilated: [KernelCase] = [
    .grouped(1, 8, 16, size: (8, 12), distance: (2, 2)),
    .grouped(1, 16, 8, size: (9, 7), distance: (2, 3)),
    .grouped(1, 8, 8, size: (3, 10), distance: (4, 1)),
    .grouped(1, 8, 8, size: (11, 6), distance: (1, 5)),
    .grouped(1, 8, 8, size: (12, 12), distance: (2, 2), pooled: true),
  ]

  /// Reads an upsampled image and a skip connection; 12 channels are no multiple of 8 lanes.
  static func upsampledSkip(_ channels: Int) -> KernelCase {
    KernelCase(
      testDescription: "convolution of \(channels) upsampled and 8 other channels",
      body: """
        %n = broadcast_in_dim %b {dimensions = [1]} : tensor<1x8x8x6xf32>
        %u = upsample_nearest %x {scale = [2, 2]} : tensor<1x\(channels)x8x6xf32>
        %k = concatenate %u, %n {dimension = 1} : tensor<1x\(channels + 8)x8x6xf32>
        %y = convolution %k, %w {padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<1x8x8x6xf32>
        """,
      input: [1, channels, 4, 3], parameters: [("b", [8]), ("w", [8, channels + 8, 3, 3])])
  }

  /// Every convolution by the given transform, in the smallest strips and with the last one not full, or in the
  /// shape that the cost model likes best.
  private func scheduled(
    _ plain: LoopModule, _ target: Target, _ transform: WinogradTransform, smallest: Bool
  ) throws -> LoopModule {
    let choice = WinogradChoice(target: target, transforms: [transform])
    let laidOut = AssignLayouts.apply(to: plain, target: target)
    let result = ApplyWinograd.apply(to: laidOut) { nest in
      let shapes = choice.shapes(for: nest)
      if smallest { return shapes.first { $0.tiles == 5 && $0.productTiles == 5 } }
      return shapes.min { choice.cycles(nest, $0) < choice.cycles(nest, $1) }
    }
    let text = LoopPrinter.text(result)
    #expect(text.contains("_winograd\(transform.label)("))
    return PlanMemory.apply(to: result)
  }

  /// Every case with F(4), and partial tiles, a residual and a batch with the others.
  static let combinations: [(KernelCase, WinogradTransform)] =
    cases.map { ($0, WinogradTransform.all[1]) }
    + [cases[1], cases[7], .residual(), dilated[1]].flatMap { item in
      [(item, WinogradTransform.all[0]), (item, WinogradTransform.all[2])]
    } + fiveTaps.map { ($0, WinogradTransform.ofFiveTaps) }

  /// 5x5, stride 1: also padded unevenly, dilated, and pooled.
  static let fiveTaps: [KernelCase] = [
    .convolution(8, 16, kernel: 5, size: (8, 8)),
    .convolution(16, 8, kernel: 5, size: (9, 7), batch: 2),
    .convolution(8, 8, kernel: 5, size: (6, 9), padding: [0, 3, 1, 0]),
    .grouped(1, 8, 8, kernel: 5, size: (9, 8), distance: (2, 3)),
    .grouped(1, 8, 8, kernel: 5, size: (8, 8), pooled: true),
  ]

  @Test(arguments: combinations)
  func valuesAreThoseOfThePlainLoops(_ item: KernelCase, transform: WinogradTransform) throws {
    let expected = try LoopInterpreter.run(
      try item.plain(), parameters: try item.weights, inputs: try item.inputs)
    for (name, smallest) in [("x86-64-v2", false), ("x86-64-v3", true), ("x86-64-v4", false)] {
      let module = try scheduled(
        try item.plain(), try Targets.resolve(name), transform, smallest: smallest)
      try LoopVerifier.verify(module)
      let actual = try LoopInterpreter.run(
        module, parameters: try item.weights, inputs: try item.inputs)
      #expect(largestError(actual, expected) <= 64, "\(name)")
      let text = LoopPrinter.text(module)
      #expect(try LoopParser.parseModule(text, file: "winograd.loops") == module)
    }
  }

  @Test(arguments: combinations)
  func machineCodeComputesTheReference(_ item: KernelCase, transform: WinogradTransform) throws {
    let target = try Targets.resolve("native")
    let reference = try Reference.evaluate(
      try item.function(), inputs: try item.inputs, parameters: try item.weights)
    for smallest in [true, false] {
      let session = try NativeSession(
        try scheduled(try item.plain(), target, transform, smallest: smallest), target: target,
        parameters: try item.weights.mapValues { $0.map { Float($0) } })
      let inputs = try item.inputs.map { $0.map { Float($0) } }
      let one = try session.run(inputs: inputs, threads: 1)
      #expect(largestError(one.map { $0.map { Double($0) } }, reference) <= 64)
      #expect(try session.run(inputs: inputs, threads: 3).map(\.values) == one.map(\.values))
    }
  }

  /// A NaN stays one in the tile that holds it, whatever the transforms do.
  @Test func notANumberReachesItsNeighbours() throws {
    let item = KernelCase.convolution(8, 8, size: (8, 8))
    let target = try Targets.resolve("native")
    let session = try NativeSession(
      try scheduled(try item.plain(), target, WinogradTransform.all[1], smallest: false),
      target: target,
      parameters: try item.weights.mapValues { $0.map { Float($0) } })
    var input = try item.inputs[0].map { Float($0) }
    input.values[8 * 3 + 3] = .nan
    let output = try session.run(inputs: [input], threads: 1)[0]
    // The result is after a ReLU, which keeps NaN.
    for (y, x) in [(2, 2), (3, 3), (4, 4)] { #expect(output.values[8 * y + x].isNaN) }
  }

  @Test func strictPrecisionSumsDirectly() throws {
    let plain = try KernelCase.convolution(32, 32, size: (16, 32)).plain()
    for name in targetNames {
      let target = try Targets.resolve(name)
      let strict = Scheduler.schedule(plain, for: target, precision: .strict)
      let standard = Scheduler.schedule(plain, for: target, precision: .standard)
      #expect(!LoopPrinter.text(strict).contains("winograd"))
      #expect(LoopPrinter.text(standard).contains("winograd4x4"))
    }
  }

  /// Other strides and taps, too few channels, and weights that are no constants.
  @Test func otherKernelsAreLeftAlone() throws {
    let items: [KernelCase] = [
      .convolution(32, 32, size: (9, 33), strides: (2, 1)), .convolution(32, 32, kernel: 1),
      .convolution(32, 32, kernel: 7, size: (8, 8)), .convolution(1, 32, size: (8, 8)),
      .convolution(32, 1, size: (8, 8)),
    ]
    for item in items {
      let module = Scheduler.schedule(
        try item.plain(), for: try Targets.resolve("x86-64-v3"), precision: .standard)
      #expect(!LoopPrinter.text(module).contains("winograd"), "\(item)")
    }
  }

  /// As in training: `run` transforms them, once for all convolutions that read them, to the bits of constants.
  @Test func weightsThatArriveAtRunTimeAreTransformedByRun() throws {
    let item = KernelCase.residual(sharedWeights: true)
    let target = try Targets.resolve("native")
    let transform = WinogradTransform.all[1]
    let constant = try scheduled(try item.plain(), target, transform, smallest: false)
    let module = try scheduled(
      try item.plainWithWeightsAsInputs(), target, transform, smallest: false)
    let calls = module.run.compactMap(\.calledKernel)
    #expect(calls.count { $0.hasPrefix("winograd4x4_weights") } == 1, "\(calls)")
    #expect(calls.count { $0.hasSuffix("_winograd4x4") } == 2)
    #expect(module.prepare.isEmpty && !module.buffers.contains { $0.role == .constant })
    let inputs = try item.inputs.map { $0.map { Float($0) } }
    let weights = try item.weights.mapValues { $0.map { Float($0) } }
    let expected = try NativeSession(constant, target: target, parameters: weights)
      .run(inputs: inputs, threads: 1)
    let given = item.parameters.compactMap { weights[$0.name] }
    let session = try NativeSession(module, target: target, parameters: [:])
    for threads in [1, 3] {
      #expect(try session.run(inputs: inputs + given, threads: threads) == expected)
    }
  }

  /// Only the transformed weights travel with the model.
  @Test func plainWeightsAreNoConstantsAnyMore() throws {
    let module = Scheduler.schedule(
      try KernelCase.convolution(32, 32, size: (16, 32)).plain(),
      for: try Targets.resolve("x86-64-v3"), precision: .standard)
    let constants = module.buffers.filter { $0.role == .constant }.map(\.buffer)
    #expect(constants.map(\.extents.count).sorted() == [1, 4])
    #expect(constants.contains { $0.extents.dropFirst().prefix(2) == [36, 32] })
  }
}
