import CodeGen
import LoopIR
import Operations
import Tensors
import Testing

@testable import Schedules

/// Elementwise operations that the readers of their results compute, against the plain loops and the reference.
@Suite struct InlineElementwiseTests {
  /// A convolution's result without the input's means, after a ReLU, read by whatever `rest` has, which ends with %y.
  private static func normalized(
    _ height: Int, _ width: Int, batch: Int = 1, _ what: String, _ rest: String
  ) -> KernelCase {
    KernelCase(
      testDescription: "\(what) of \(batch) images \(height)x\(width)",
      body: """
        %c = convolution %x, %w, %b {padding = [1, 1, 1, 1], strides = [1, 1]} : IMAGE
        %sum = reduce %x {reducer = add, dimensions = [0, 2, 3]} : tensor<16xf32>
        %share = constant 0.01 : tensor<16xf32>
        %m = multiply %sum, %share : tensor<16xf32>
        %mean = broadcast_in_dim %m {dimensions = [1]} : IMAGE
        %d = subtract %c, %mean : IMAGE
        %r = relu %d : IMAGE
        \(rest)
        """.replacing("IMAGE", with: "tensor<\(batch)x16x\(height)x\(width)xf32>"),
      input: [batch, 16, height, width],
      parameters: [("w", [16, 16, 3, 3]), ("v", [16, 16, 3, 3]), ("b", [16])])
  }

  /// Two convolutions, of which the first one reads it and the second one's tail; and both images.
  private static func convolution(_ height: Int, _ width: Int) -> KernelCase {
    normalized(
      height, width, "convolution",
      """
      %e = convolution %r, %v, %b {padding = [1, 1, 1, 1], strides = [1, 1]} : IMAGE
      %f = convolution %e, %v, %b {padding = [1, 1, 1, 1], strides = [1, 1]} : IMAGE
      %fr = multiply %f, %r : IMAGE
      %y = add %fr, %c : IMAGE
      """)
  }

  /// A kernel's gradient.
  private static func gradient(_ height: Int, _ width: Int, batch: Int) -> KernelCase {
    normalized(
      height, width, batch: batch, "kernel gradient",
      """
      %p = reduce_window %x {reducer = max, window = [1, 1], strides = [1, 1]} : IMAGE
      %g = convolution_kernel_gradient %r, %p {kernel = [3, 3], padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<16x16x3x3xf32>
      %h = convolution %c, %g {padding = [1, 1, 1, 1], strides = [1, 1]} : IMAGE
      %y = add %h, %p : IMAGE
      """)
  }

  static let cases: [KernelCase] = [
    convolution(12, 12), convolution(11, 12), gradient(12, 12, batch: 2),
    gradient(12, 11, batch: 1),
  ]

  @Test(arguments: cases, targetNames)
  func valuesAreThoseOfThePlainLoops(_ item: KernelCase, target: String) throws {
    let plain = try item.plain()
    let module = Scheduler.schedule(plain, for: try Targets.resolve(target))
    try LoopVerifier.verify(module)
    let text = LoopPrinter.text(module)
    let names = module.kernels.map(\.name)
    #expect(names.contains { $0.contains("_of_subtract_relu_") })
    #expect(!names.contains { $0.hasPrefix("subtract_relu_") }, "it is in memory as well")
    let expected = try LoopInterpreter.run(
      plain, parameters: try item.weights, inputs: try item.inputs)
    let actual = try LoopInterpreter.run(
      module, parameters: try item.weights, inputs: try item.inputs)
    #expect(largestError(actual, expected) <= 64)
    #expect(try LoopParser.parseModule(text, file: "inlined.loops") == module)
  }

  @Test(arguments: cases) func machineCodeComputesTheReference(_ item: KernelCase) throws {
    let target = try Targets.resolve("native")
    let module = Scheduler.schedule(try item.plain(), for: target)
    #expect(try item.nativeError(of: module, for: target) <= 64)
  }

  /// Written out, a value that is used twice would be there twice, and so on.
  @Test(arguments: targetNames) func valuesUsedTwiceStayNamed(_ target: String) throws {
    let type = "tensor<1x2x4x5xf32>"
    let steps = (1...60).map { "%v\($0) = add %v\($0 - 1), %v\($0 - 1) : \(type)" }
    let body = ["%v0 = relu %x : \(type)"] + steps + ["%y = tanh %v60 : \(type)"]
    let item = KernelCase(
      testDescription: "doublings", body: body.joined(separator: "\n"), input: [1, 2, 4, 5])
    let module = Scheduler.schedule(try item.plain(), for: try Targets.resolve(target))
    #expect(LoopPrinter.text(module).utf8.count < 100_000)
  }

  /// Direct sums would compute each element for every tap; and without a later reader the image would stay for this.
  @Test func otherReadersReadMemory() throws {
    let target = try Targets.resolve("x86-64-v3")
    let strict = Scheduler.schedule(
      try Self.convolution(12, 12).plain(), for: target, precision: .strict)
    #expect(!strict.kernels.contains { $0.name.contains("_of_") })
    let once = Self.normalized(
      12, 12, "convolution after all other readers",
      """
      %p = reduce_window %c {reducer = max, window = [1, 1], strides = [1, 1]} : IMAGE
      %e = convolution %r, %v, %b {padding = [1, 1, 1, 1], strides = [1, 1]} : IMAGE
      %y = add %e, %p : IMAGE
      """)
    let module = Scheduler.schedule(try once.plain(), for: target)
    #expect(!module.kernels.contains { $0.name.contains("_of_") })
  }
}
