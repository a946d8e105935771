import CodeGen
import Execution
import LoopIR
import Operations
import Tensors
import Testing

@testable import Schedules

/// Sums over the results of kernels, added up by these kernels themselves, against the plain loops and the reference.
@Suite struct ResultSumTests {
  /// The mean of a convolution's result, and what is left of it by `rest`, which ends with a value %y for each channel.
  private static func convolution(
    _ channels: Int, _ height: Int, _ width: Int, batch: Int = 2, _ what: String, _ rest: String
  ) -> KernelCase {
    let image = "tensor<\(batch)x\(channels)x\(height)x\(width)xf32>"
    let result = "tensor<\(channels)xf32>"
    let share = 1 / Double(batch * height * width)
    return KernelCase(
      testDescription: "\(what) of \(batch) images \(height)x\(width) of \(channels) channels",
      body: """
        %c = convolution %x, %w, %b {padding = [1, 1, 1, 1], strides = [1, 1]} : IMAGE
        %far = constant 1000.0 : IMAGE
        %shifted = add %c, %far : IMAGE
        %share = constant \(share) : RESULT
        \(rest)
        """.replacing("IMAGE", with: image).replacing("RESULT", with: result),
      input: [batch, channels, height, width],
      parameters: [
        ("w", [channels, channels, 3, 3]), ("b", [channels]), ("v", [channels]),
      ])
  }

  /// The variance of channels whose mean is a thousand times the standard deviation.
  private static func variance(_ channels: Int, _ height: Int, _ width: Int, batch: Int = 2)
    -> KernelCase
  {
    let image = "tensor<\(batch)x\(channels)x\(height)x\(width)xf32>"
    let result = "tensor<\(channels)xf32>"
    return convolution(
      channels, height, width, batch: batch, "variance",
      """
      %sum = reduce %shifted {reducer = add, dimensions = [0, 2, 3]} : \(result)
      %mean = multiply %sum, %share : \(result)
      %wide = broadcast_in_dim %mean {dimensions = [1]} : \(image)
      %d = subtract %shifted, %wide : \(image)
      %dd = multiply %d, %d : \(image)
      %squares = reduce %dd {reducer = add, dimensions = [0, 2, 3]} : \(result)
      %y = multiply %squares, %share : \(result)
      """)
  }

  /// The backward pass of batch norm: the sum of a cotangent, and of its products with what came in.
  private static func products(_ channels: Int, _ height: Int, _ width: Int, batch: Int = 2)
    -> KernelCase
  {
    let image = "tensor<\(batch)x\(channels)x\(height)x\(width)xf32>"
    let result = "tensor<\(channels)xf32>"
    return convolution(
      channels, height, width, batch: batch, "products",
      """
      %g = relu %c : \(image)
      %sum = reduce %g {reducer = add, dimensions = [0, 2, 3]} : \(result)
      %wide = broadcast_in_dim %v {dimensions = [1]} : \(image)
      %d = subtract %x, %wide : \(image)
      %gd = multiply %g, %d : \(image)
      %sums = reduce %gd {reducer = add, dimensions = [0, 2, 3]} : \(result)
      %a = multiply %sum, %sums : \(result)
      %y = multiply %a, %share : \(result)
      """)
  }

  /// The sum of what elementwise operations make of two images.
  private static func elementwise(_ channels: Int, _ height: Int, _ width: Int, batch: Int = 2)
    -> KernelCase
  {
    let image = "tensor<\(batch)x\(channels)x\(height)x\(width)xf32>"
    let result = "tensor<\(channels)xf32>"
    return convolution(
      channels, height, width, batch: batch, "elementwise operations",
      """
      %p = reduce_window %c {reducer = max, window = [1, 1], strides = [1, 1]} : \(image)
      %g = multiply %c, %p : \(image)
      %sum = reduce %g {reducer = add, dimensions = [0, 2, 3]} : \(result)
      %mean = multiply %sum, %share : \(result)
      %wide = broadcast_in_dim %mean {dimensions = [1]} : \(image)
      %scaled = multiply %wide, %g : \(image)
      %y = add %scaled, %p : \(image)
      """)
  }

  static let cases: [KernelCase] = [
    variance(8, 8, 8), variance(8, 9, 11), variance(16, 3, 5, batch: 3), variance(12, 4, 6),
    products(8, 12, 7), products(16, 9, 10, batch: 3), products(32, 5, 6, batch: 1),
    elementwise(8, 8, 8), elementwise(16, 5, 7, batch: 3), elementwise(80, 3, 6),
  ]

  /// Convolutions by Winograd's algorithm in small strips, so that there are several parts.
  private func scheduled(_ item: KernelCase, _ target: Target) throws -> LoopModule {
    let laidOut = AssignLayouts.apply(to: try item.plain(), target: target)
    let choice = WinogradChoice(target: target, transforms: [WinogradTransform.all[1]])
    let summed = ApplyWinograd.apply(to: laidOut) { nest in
      choice.shapes(for: nest).first { $0.tiles == 5 && $0.productTiles == 5 }
    }
    let rows = SumRows.apply(to: summed, target: target)
    return PlanMemory.apply(to: UpdateInPlace.apply(to: rows))
  }

  @Test(arguments: cases, targetNames)
  func valuesAreThoseOfThePlainLoops(_ item: KernelCase, target: String) throws {
    let plain = try item.plain()
    let module = try scheduled(item, try Targets.resolve(target))
    try LoopVerifier.verify(module)
    #expect(module.kernels.contains { $0.name.hasSuffix("_summed") })
    #expect(!module.kernels.contains { ChannelSum($0) != nil }, "a sum reads images once more")
    let expected = try LoopInterpreter.run(
      plain, parameters: try item.weights, inputs: try item.inputs)
    let actual = try LoopInterpreter.run(
      module, parameters: try item.weights, inputs: try item.inputs)
    #expect(largestError(actual, expected) <= 64)
    let text = LoopPrinter.text(module)
    #expect(try LoopParser.parseModule(text, file: "summed.loops") == module)
  }

  @Test(arguments: cases) func machineCodeComputesTheReference(_ item: KernelCase) throws {
    let target = try Targets.resolve("native")
    let module = try scheduled(item, target)
    #expect(try item.nativeError(of: module, for: target) <= 64)
  }

  /// A part that holds a NaN is one, and so is the sum.
  @Test func notANumberIsNotLost() throws {
    let item = Self.variance(8, 9, 11)
    let target = try Targets.resolve("native")
    let session = try NativeSession(
      try scheduled(item, target), target: target,
      parameters: try item.weights.mapValues { $0.map { Float($0) } })
    var input = try item.inputs[0].map { Float($0) }
    input.values[40] = .nan
    #expect(try session.run(inputs: [input], threads: 1)[0].values.allSatisfy { $0.isNaN })
  }

  /// A sum that needs something later, and sums of other forms, stay what they are.
  @Test func otherSumsStay() throws {
    let target = try Targets.resolve("x86-64-v3")
    let later = KernelCase(
      testDescription: "a product with what is only known later",
      body: """
        %c = convolution %x, %w {padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<1x8x8x8xf32>
        %s = reduce %c {reducer = add, dimensions = [0, 2, 3]} : tensor<8xf32>
        %b = broadcast_in_dim %s {dimensions = [1]} : tensor<1x8x8x8xf32>
        %m = multiply %c, %b : tensor<1x8x8x8xf32>
        %p = reduce_window %m {reducer = max, window = [1, 1], strides = [1, 1]} : tensor<1x8x8x8xf32>
        %cp = multiply %c, %p : tensor<1x8x8x8xf32>
        %y = reduce %cp {reducer = add, dimensions = [0, 2, 3]} : tensor<8xf32>
        """,
      input: [1, 8, 8, 8], parameters: [("w", [8, 8, 3, 3])])
    let module = try scheduled(later, target)
    #expect(module.kernels.count { ChannelSum($0) != nil } == 1)
    let whole = KernelCase(
      testDescription: "a sum over everything",
      body: """
        %c = convolution %x, %w {padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<1x8x8x8xf32>
        %y = reduce %c {reducer = add, dimensions = [0, 1, 2, 3]} : tensor<f32>
        """,
      input: [1, 8, 8, 8], parameters: [("w", [8, 8, 3, 3])])
    #expect(try !scheduled(whole, target).kernels.contains { $0.name.hasSuffix("_summed") })
  }
}
