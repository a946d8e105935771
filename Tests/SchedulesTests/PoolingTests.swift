import CodeGen
import Execution
import LoopIR
import Tensors
import Testing

@testable import Schedules

/// Poolings by the kernels that write the image, against poolings that are kernels of their own: to the bit.
@Suite struct PoolingTests {
  /// A pooling between a convolution of 4 channels with ReLU and an enlargement; with `skip` the image is read there too.
  private static func pooled(
    _ channels: Int, _ height: Int, _ width: Int, batch: Int = 1, reducer: String = "max",
    window: [Int] = [2, 2], skip: Bool
  ) -> KernelCase {
    let (rows, columns) = (height / window[0], width / window[1])
    func image(_ height: Int, _ width: Int) -> String {
      "tensor<\(batch)x\(channels)x\(height)x\(width)xf32>"
    }
    let large = image(rows * window[0], columns * window[1])
    let limit = [batch, channels, rows * window[0], columns * window[1]]
    let rest =
      skip
      ? """
      %u = upsample_nearest %p {scale = \(window)} : \(large)
      %s = slice %r {start = [0, 0, 0, 0], limit = \(limit), strides = [1, 1, 1, 1]} : \(large)
      %y = add %u, %s : \(large)
      """ : "%y = upsample_nearest %p {scale = \(window)} : \(large)"
    return KernelCase(
      testDescription:
        "\(reducer) of \(window), \(batch)x\(channels)x\(height)x\(width), skip: \(skip)",
      body: """
        %a = convolution %x, %w, %b {padding = [1, 1, 1, 1], strides = [1, 1]} : \(image(height, width))
        %r = relu %a : \(image(height, width))
        %p = reduce_window %r {reducer = \(reducer), window = \(window), strides = \(window)} : \(image(rows, columns))
        \(rest)
        """,
      input: [batch, 4, height, width],
      parameters: [("w", [channels, 4, 3, 3]), ("b", [channels])])
  }

  static let cases: [KernelCase] = [true, false].flatMap { skip in
    [
      pooled(8, 8, 12, skip: skip), pooled(16, 9, 11, skip: skip),
      pooled(12, 6, 10, batch: 3, skip: skip), pooled(3, 7, 8, batch: 2, skip: skip),
      pooled(8, 10, 13, batch: 2, reducer: "add", skip: skip),
      pooled(8, 11, 9, window: [4, 2], skip: skip), pooled(8, 13, 6, window: [1, 2], skip: skip),
      pooled(8, 4, 4, batch: 5, skip: skip), pooled(40, 5, 6, skip: skip),
    ]
  }

  /// The module with poolings that seem to read the input as well, and so stay kernels of their own.
  private func apart(_ module: LoopModule) -> LoopModule {
    var result = module
    for index in result.kernels.indices where Pooling(result.kernels[index]) != nil {
      let name = result.kernels[index].name
      guard var other = result.buffers.first?.buffer else { continue }
      result.run = result.run.map { statement in
        guard case .call(name, let arguments) = statement else { return statement }
        return .call(name, [arguments[0], other.name, arguments[1]])
      }
      other.name = "unread"
      result.kernels[index].parameters.insert(KernelParameter(other, .read), at: 1)
    }
    return result
  }

  private func scheduled(
    _ plain: LoopModule, _ target: Target, _ precision: Precision
  ) throws -> LoopModule {
    let module = Scheduler.schedule(plain, for: target, precision: precision)
    try LoopVerifier.verify(module)
    let text = LoopPrinter.text(module)
    #expect(try LoopParser.parseModule(text, file: "pooled.loops") == module)
    return module
  }

  /// By Winograd's algorithm in small strips, whatever the cost model says; nil where there is no such shape.
  private func winograd(
    _ plain: LoopModule, _ target: Target, _ transform: WinogradTransform
  ) throws -> LoopModule? {
    let laidOut = AssignLayouts.apply(to: plain, target: target)
    let choice = WinogradChoice(target: target, transforms: [transform])
    var module = ApplyWinograd.apply(to: laidOut) { nest in
      choice.shapes(for: nest).first { $0.tiles == 5 && $0.productTiles == 5 }
    }
    guard module.kernels.contains(where: { $0.name.contains("_winograd") }) else { return nil }
    for index in module.kernels.indices where !module.prepare.call(module.kernels[index].name) {
      module.kernels[index] = Scheduler.schedule(module.kernels[index], for: target)
    }
    let planned = PlanMemory.apply(to: UpdateInPlace.apply(to: module))
    try LoopVerifier.verify(planned)
    return planned
  }

  private func values(_ module: LoopModule, _ item: KernelCase) throws -> [[Double]] {
    try LoopInterpreter.run(module, parameters: try item.weights, inputs: try item.inputs)
      .map(\.values)
  }

  /// Whether a pooling is a kernel of its own.
  private func hasPooling(_ module: LoopModule) -> Bool {
    module.kernels.contains { $0.name.hasPrefix("reduce_window") }
  }

  @Test(arguments: cases, targetNames)
  func valuesAreThoseOfTwoKernels(_ item: KernelCase, target: String) throws {
    let plain = try item.plain()
    let target = try Targets.resolve(target)
    for precision in [Precision.standard, .strict] {
      let merged = try scheduled(plain, target, precision)
      let separate = try scheduled(apart(plain), target, precision)
      #expect(!hasPooling(merged) && hasPooling(separate))
      #expect(try values(merged, item) == values(separate, item))
    }
  }

  @Test(arguments: cases, [0, 1, 3])
  func winogradTilesPoolTheirOwn(_ item: KernelCase, transform: Int) throws {
    let plain = try item.plain()
    let target = try Targets.resolve("x86-64-v3")
    let transform = WinogradTransform.all[transform]
    guard let merged = try winograd(plain, target, transform) else {
      #expect(item.parameters[0].extents[0] == 3, "three channels fill no vector")
      return
    }
    let separate = try #require(try winograd(apart(plain), target, transform))
    let fits = plain.kernels.compactMap(Pooling.init).allSatisfy { $0.fitsTiles(of: transform) }
    #expect(hasPooling(merged) == !fits && hasPooling(separate))
    #expect(try values(merged, item) == values(separate, item))
  }

  @Test(arguments: cases) func machineCodeComputesTheSame(_ item: KernelCase) throws {
    let plain = try item.plain()
    let target = try Targets.resolve("native")
    let weights = try item.weights.mapValues { $0.map { Float($0) } }
    let inputs = try item.inputs.map { $0.map { Float($0) } }
    for precision in [Precision.standard, .strict] {
      let merged = try scheduled(plain, target, precision)
      #expect(try item.nativeError(of: merged, for: target) <= precision.promise)
      let results = try [merged, try scheduled(apart(plain), target, precision)].map { module in
        let session = try NativeSession(module, target: target, parameters: weights)
        return try session.run(inputs: inputs, threads: 2).map(\.values)
      }
      #expect(results[0] == results[1])
    }
  }

  /// An image that nobody else reads is nowhere in memory, and one that is too large for the stack is; copies of inputs
  /// do not count.
  @Test func imagesThatNobodyReadsAreLeftOut() throws {
    func images(_ item: KernelCase, _ precision: Precision) throws -> Int {
      let module = try scheduled(try item.plain(), try Targets.resolve("x86-64-v3"), precision)
      return module.buffers.count { item in
        guard case .temporary = item.role else { return false }
        return !item.buffer.name.hasSuffix(".packed")
      }
    }
    for precision in [Precision.standard, .strict] {
      #expect(try images(Self.pooled(16, 8, 12, skip: false), precision) == 1)
      #expect(try images(Self.pooled(16, 8, 12, skip: true), precision) >= 2)
    }
    #expect(try images(Self.pooled(64, 2, 1500, skip: false), .strict) == 2)
  }

  /// The residual sum before a pooling is still written over its operand.
  @Test func sumsBeforePoolingsAreInPlace() throws {
    let type = "tensor<1x8x8x8xf32>"
    let item = KernelCase(
      testDescription: "a residual block that is pooled",
      body: """
        %h = convolution %x, %w {padding = [1, 1, 1, 1], strides = [1, 1]} : \(type)
        %g = convolution %h, %v {padding = [1, 1, 1, 1], strides = [1, 1]} : \(type)
        %a = convolution %g, %v {padding = [1, 1, 1, 1], strides = [1, 1]} : \(type)
        %s = add %a, %h : \(type)
        %p = reduce_window %s {reducer = max, window = [2, 2], strides = [2, 2]} : tensor<1x8x4x4xf32>
        %u = upsample_nearest %p {scale = [2, 2]} : \(type)
        %k = concatenate %u, %s {dimension = 1} : tensor<1x16x8x8xf32>
        %y = convolution %k, %z {padding = [1, 1, 1, 1], strides = [1, 1]} : \(type)
        """,
      input: [1, 8, 8, 8],
      parameters: [("w", [8, 8, 3, 3]), ("v", [8, 8, 3, 3]), ("z", [8, 16, 3, 3])])
    let target = try Targets.resolve("x86-64-v3")
    for precision in [Precision.standard, .strict] {
      let merged = try scheduled(try item.plain(), target, precision)
      #expect(!hasPooling(merged))
      #expect(merged.kernels.contains { $0.parameters.contains { $0.access == .update } })
      let separate = try scheduled(apart(try item.plain()), target, precision)
      #expect(try values(merged, item) == values(separate, item))
    }
  }

  /// Only windows side by side, between kernels, of what a convolution writes.
  @Test(arguments: [
    // Windows that overlap, and such that lie apart.
    """
    %r = convolution %x, %w {padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<1x8x8x8xf32>
    %p = reduce_window %r {reducer = max, window = [2, 2], strides = [1, 2]} : tensor<1x8x7x4xf32>
    %y = upsample_nearest %p {scale = [1, 2]} : tensor<1x8x7x8xf32>
    """,
    """
    %r = convolution %x, %w {padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<1x8x8x8xf32>
    %p = reduce_window %r {reducer = max, window = [2, 2], strides = [2, 3]} : tensor<1x8x4x3xf32>
    %y = upsample_nearest %p {scale = [1, 2]} : tensor<1x8x4x6xf32>
    """,
    // Windows that would leave one thread all rows.
    """
    %r = convolution %x, %w {padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<1x8x8x8xf32>
    %p = reduce_window %r {reducer = max, window = [8, 2], strides = [8, 2]} : tensor<1x8x1x4xf32>
    %y = upsample_nearest %p {scale = [8, 2]} : tensor<1x8x8x8xf32>
    """,
    // The model's own result.
    """
    %r = convolution %x, %w {padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<1x8x8x8xf32>
    %y = reduce_window %r {reducer = max, window = [2, 2], strides = [2, 2]} : tensor<1x8x4x4xf32>
    """,
    // The input.
    """
    %p = reduce_window %x {reducer = max, window = [2, 2], strides = [2, 2]} : tensor<1x8x4x4xf32>
    %y = convolution %p, %w {padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<1x8x4x4xf32>
    """,
    // What a pooling wrote.
    """
    %p = reduce_window %x {reducer = max, window = [3, 3], strides = [1, 1]} : tensor<1x8x6x6xf32>
    %q = reduce_window %p {reducer = max, window = [2, 2], strides = [2, 2]} : tensor<1x8x3x3xf32>
    %y = convolution %q, %w {padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<1x8x3x3xf32>
    """,
  ])
  func otherPoolingsStay(_ body: String) throws {
    let item = KernelCase(
      testDescription: "", body: body, input: [1, 8, 8, 8], parameters: [("w", [8, 8, 3, 3])])
    for precision in [Precision.standard, .strict] {
      let module = try scheduled(try item.plain(), try Targets.resolve("x86-64-v3"), precision)
      #expect(hasPooling(module))
      #expect(!module.kernels.contains { $0.name.contains("pooled") })
    }
  }

  /// There is nothing to choose for a pooling that is no kernel, and a file that says something is still read.
  @Test func schedulesChooseNothingForThem() throws {
    let target = try Targets.resolve("x86-64-v3")
    let plain = try Self.pooled(8, 8, 12, skip: true).plain()
    let pooling = try #require(plain.kernels.first { $0.name.hasPrefix("reduce_window") }).name
    var choices = ScheduleChoices(for: target, precision: .standard)
    let kernels = try Scheduler.alternatives(for: plain, target: target, choices).kernels
    #expect(kernels.allSatisfy { $0.hasPrefix("convolution") } && !kernels.isEmpty)
    let separate = try Scheduler.alternatives(for: apart(plain), target: target, choices).kernels
    #expect(separate.contains(pooling))
    choices.kernels = [.init(pooling, .direct(columns: 2, vectors: 1))]
    let module = try Scheduler.schedule(plain, for: target, precision: .standard, by: choices)
    #expect(!hasPooling(module))
  }
}
