import CodeGen
import LoopIR
import Operations
import Tensors
import Testing

@testable import Schedules

/// Sums over images and rows in parts, against the plain loops and the reference.
@Suite struct SplitSumTests {
  /// The mean square of what is left of an image without its channels' means, by channel or altogether.
  private static func sum(_ extents: [Int], over dimensions: [Int]) -> KernelCase {
    let image = "tensor<" + extents.map { "\($0)x" }.joined() + "f32>"
    let kept = extents.indices.filter { !dimensions.contains($0) }.map { "\(extents[$0])x" }
    let result = "tensor<" + kept.joined() + "f32>"
    return KernelCase(
      testDescription: "sum over \(dimensions) of \(extents)",
      body: """
        %m = broadcast_in_dim %w {dimensions = [1]} : \(image)
        %c = subtract %x, %m : \(image)
        %s = multiply %c, %c : \(image)
        %r = reduce %s {reducer = add, dimensions = \(dimensions)} : \(result)
        %k = constant 0.25 : \(result)
        %y = multiply %r, %k : \(result)
        """,
      input: extents, parameters: [("w", [extents[1]])])
  }

  static let cases: [KernelCase] =
    [(3, 5), (16, 32), (17, 33), (1, 16), (16, 1), (1, 1), (8, 48)].map {
      KernelCase.kernelGradient($0, $1)
    }
    + [
      .kernelGradient(4, 8, kernel: 1), .kernelGradient(4, 8, kernel: 5),
      .kernelGradient(8, 8, size: (9, 40), batch: 1), .kernelGradient(4, 16, batch: 35),
      .kernelGradient(2, 16, size: (19, 3), batch: 3),
    ]
    + [
      sum([2, 32, 6, 5], over: [0, 2, 3]), sum([3, 5, 4, 4], over: [0, 2, 3]),
      sum([1, 40, 3, 17], over: [0, 2, 3]), sum([2, 1, 8, 16], over: [0, 1, 2, 3]),
      sum([2, 6, 5, 7], over: [0, 1, 2, 3]), sum([40, 3], over: [0]), sum([4, 64], over: [0, 1]),
      sum([2, 3, 4, 9], over: [2, 3]), sum([2, 3, 4, 9], over: [1]),
      sum([1, 300, 3, 2], over: [0, 2, 3]), sum([1, 300, 3, 2], over: [2, 3]),
    ]

  @Test(arguments: cases, targetNames)
  func valuesAreThoseOfThePlainLoops(_ item: KernelCase, target: String) throws {
    let plain = try item.plain()
    let scheduled = Scheduler.schedule(plain, for: try Targets.resolve(target))
    try LoopVerifier.verify(scheduled)
    let expected = try LoopInterpreter.run(
      plain, parameters: try item.weights, inputs: try item.inputs)
    let actual = try LoopInterpreter.run(
      scheduled, parameters: try item.weights, inputs: try item.inputs)
    #expect(actual.map(\.shape) == expected.map(\.shape))
    #expect(largestError(actual, expected) <= 16)
    let text = LoopPrinter.text(scheduled)
    #expect(text.contains("_parts(") && text.contains("_sum("), "the sum is not split")
    #expect(try LoopParser.parseModule(text, file: "scheduled.loops") == scheduled)
  }

  @Test(arguments: cases) func threadsDoNotChangeABit(_ item: KernelCase) throws {
    let target = try Targets.resolve("native")
    let module = Scheduler.schedule(try item.plain(), for: target)
    #expect(try item.nativeError(of: module, for: target) <= 16)
  }

  /// Gradients of kernels are sums of products, which strict precision adds up in float64: half a unit is the result's
  /// own rounding.
  @Test(arguments: cases.filter { $0.testDescription.hasPrefix("kernel gradient") })
  func strictGradientsRoundOnce(_ item: KernelCase) throws {
    let target = try Targets.resolve("native")
    let module = Scheduler.schedule(try item.plain(), for: target, precision: .strict)
    #expect(LoopPrinter.text(module).contains("_parts("))
    #expect(try item.nativeError(of: module, for: target) <= 0.5001)
  }

  /// A convolution sums over all of its weights, but its result is what is large.
  @Test(arguments: KernelCase.convolutions.filter { $0.input[2] > 4 })
  func convolutionsAreNotSplit(_ item: KernelCase) throws {
    let scheduled = Scheduler.schedule(try item.plain(), for: try Targets.resolve("x86-64-v3"))
    #expect(!LoopPrinter.text(scheduled).contains("_parts("))
  }
}
