import CodeGen
import Execution
import LoopIR
import Operations
import Tensors
import Testing

@testable import Schedules

/// Elementwise operations that the readers of their results compute, against the plain loops and the reference.
@Suite struct InlineElementwiseTests {
  /// What a normalization and a ReLU make of a convolution's result, read by whatever `rest` has, which ends with %y.
  private static func normalized(
    _ channels: Int, _ height: Int, _ width: Int, batch: Int = 2, _ what: String, _ rest: String
  ) -> KernelCase {
    KernelCase(
      testDescription: "\(what) of \(batch) images \(height)x\(width) of \(channels) channels",
      body: """
        %c = convolution %x, %w, %b {padding = [1, 1, 1, 1], strides = [1, 1]} : IMAGE
        %mean = broadcast_in_dim %m {dimensions = [1]} : IMAGE
        %factor = broadcast_in_dim %b {dimensions = [1]} : IMAGE
        %d = subtract %c, %mean : IMAGE
        %n = multiply %d, %factor : IMAGE
        %r = relu %n : IMAGE
        \(rest)
        """.replacing("IMAGE", with: "tensor<\(batch)x\(channels)x\(height)x\(width)xf32>")
          .replacing("KERNEL", with: "tensor<\(channels)x\(channels)x3x3xf32>"),
      input: [batch, channels, height, width],
      parameters: [
        ("w", [channels, channels, 3, 3]), ("v", [channels, channels, 3, 3]), ("b", [channels]),
        ("m", [channels]),
      ])
  }

  /// The next convolution, whose tail reads it again, and both images.
  private static func convolution(_ channels: Int, _ height: Int, _ width: Int) -> KernelCase {
    normalized(
      channels, height, width, "convolution",
      """
      %e = convolution %r, %v, %b {padding = [1, 1, 1, 1], strides = [1, 1]} : IMAGE
      %er = multiply %e, %r : IMAGE
      %y = add %er, %c : IMAGE
      """)
  }

  /// The next convolution's kernel gradient, for a cotangent that is the input.
  private static func gradient(_ channels: Int, _ height: Int, _ width: Int) -> KernelCase {
    normalized(
      channels, height, width, "kernel gradient",
      """
      %p = reduce_window %x {reducer = max, window = [1, 1], strides = [1, 1]} : IMAGE
      %g = convolution_kernel_gradient %r, %p {kernel = [3, 3], padding = [1, 1, 1, 1], strides = [1, 1]} : KERNEL
      %h = convolution_kernel_gradient %c, %p {kernel = [3, 3], padding = [1, 1, 1, 1], strides = [1, 1]} : KERNEL
      %y = add %g, %h : KERNEL
      """)
  }

  static let cases: [KernelCase] = [
    convolution(32, 24, 24), convolution(16, 25, 30), gradient(32, 24, 24), gradient(16, 25, 30),
  ]

  @Test(arguments: cases, targetNames)
  func valuesAreThoseOfThePlainLoops(_ item: KernelCase, target: String) throws {
    let plain = try item.plain()
    let module = Scheduler.schedule(plain, for: try Targets.resolve(target))
    try LoopVerifier.verify(module)
    let text = LoopPrinter.text(module)
    #expect(text.contains("_of_subtract_multiply_relu_"))
    #expect(!text.contains("kernel @subtract_multiply_relu_"), "it is in memory as well")
    let expected = try LoopInterpreter.run(
      plain, parameters: try item.weights, inputs: try item.inputs)
    let actual = try LoopInterpreter.run(
      module, parameters: try item.weights, inputs: try item.inputs)
    #expect(largestError(actual, expected) <= 64)
    #expect(try LoopParser.parseModule(text, file: "inlined.loops") == module)
  }

  @Test(arguments: cases) func machineCodeComputesTheReference(_ item: KernelCase) throws {
    let target = try Targets.resolve("native")
    let session = try NativeSession(
      Scheduler.schedule(try item.plain(), for: target), target: target,
      parameters: try item.weights.mapValues { $0.map { Float($0) } })
    let reference = try Reference.evaluate(
      try item.function(), inputs: try item.inputs, parameters: try item.weights)
    let inputs = try item.inputs.map { $0.map { Float($0) } }
    let one = try session.run(inputs: inputs, threads: 1)
    #expect(try session.run(inputs: inputs, threads: 3) == one)
    #expect(largestError(one.map { $0.map { Double($0) } }, reference) <= 64)
  }

  /// Direct sums would compute each element for every tap; and without a later reader the image would stay for this.
  @Test func otherReadersReadMemory() throws {
    let target = try Targets.resolve("x86-64-v3")
    let strict = Scheduler.schedule(
      try Self.convolution(32, 24, 24).plain(), for: target, precision: .strict)
    #expect(!LoopPrinter.text(strict).contains("_of_"))
    let once = Self.normalized(
      32, 24, 24, "convolution after all other readers",
      """
      %p = reduce_window %c {reducer = max, window = [1, 1], strides = [1, 1]} : IMAGE
      %e = convolution %r, %v, %b {padding = [1, 1, 1, 1], strides = [1, 1]} : IMAGE
      %y = add %e, %p : IMAGE
      """)
    #expect(
      !LoopPrinter.text(Scheduler.schedule(try once.plain(), for: target)).contains("_of_"))
  }
}
