import CodeGen
import LoopIR
import Operations
import Tensors
import Testing

@testable import Schedules

extension KernelCase {
  /// Softmax over the last of four dimensions: %s becomes %p.
  private static func softmax(_ type: String, _ sums: String) -> String {
    """
    %m = reduce %s {reducer = max, dimensions = [3]} : \(sums)
    %n = broadcast_in_dim %m {dimensions = [0, 1, 2]} : \(type)
    %d = subtract %s, %n : \(type)
    %e = exponential %d : \(type)
    %t = reduce %e {reducer = add, dimensions = [3]} : \(sums)
    %r = broadcast_in_dim %t {dimensions = [0, 1, 2]} : \(type)
    %p = divide %e, %r : \(type)
    """
  }

  /// Attention of heads of 8 channels out of one tensor, to which `scores` does something.
  private static func attention(
    _ description: String, _ images: Int, heads: Int, tokens: Int, scores: String = "",
    parameters: [(name: String, extents: [Int])] = []
  ) -> KernelCase {
    let (all, own) = (heads * 24, heads * 8)
    let parts = ["q", "k", "v"].enumerated().map { place, name in
      """
      %\(name)0 = slice %x {start = [0, 0, \(place * own)], limit = [\(images), \(tokens), \((place + 1) * own)], strides = [1, 1, 1]} : tensor<\(images)x\(tokens)x\(own)xf32>
      %\(name) = reshape %\(name)0 : tensor<\(images)x\(tokens)x\(heads)x8xf32>
      """
    }
    let type = "tensor<\(images)x\(heads)x\(tokens)x\(tokens)xf32>"
    let product = scores.isEmpty ? "%s" : "%s0"
    return KernelCase(
      testDescription: description,
      body: parts.joined(separator: "\n") + """

        \(product) = dot_general %q, %k {lhs_batching_dimensions = [0, 2], lhs_contracting_dimensions = [3], rhs_batching_dimensions = [0, 2], rhs_contracting_dimensions = [3]} : \(type)
        \(scores)
        \(softmax(type, "tensor<\(images)x\(heads)x\(tokens)xf32>"))
        %y = dot_general %p, %v {lhs_batching_dimensions = [0, 1], lhs_contracting_dimensions = [3], rhs_batching_dimensions = [0, 2], rhs_contracting_dimensions = [1]} : tensor<\(images)x\(heads)x\(tokens)x8xf32>
        """, input: [images, tokens, all], parameters: parameters)
  }

  /// Windows as those of Swin transformers, blocks of rows of one image, layers of a transformer, and softmax of which
  /// others read a part; with the kernels that are left.
  static let blockChains: [(item: KernelCase, kernels: Int)] = [
    (
      attention(
        "attention in windows, with a mask", 40, heads: 2, tokens: 32,
        scores: """
          %w1 = reshape %s0 : tensor<1x40x2x32x32xf32>
          %w2 = broadcast_in_dim %mask {dimensions = [1, 3, 4]} : tensor<1x40x2x32x32xf32>
          %w3 = add %w1, %w2 : tensor<1x40x2x32x32xf32>
          %s = reshape %w3 : tensor<40x2x32x32xf32>
          """, parameters: [("mask", [40, 32, 32])]), 1
    ),
    (attention("attention in blocks of rows", 1, heads: 1, tokens: 192), 1),
    (
      KernelCase(
        testDescription: "a normalization and two linear layers",
        body: """
          %m0 = reduce %x {reducer = add, dimensions = [2]} : tensor<1x400xf32>
          %c0 = constant 0.015625 : tensor<1x400xf32>
          %m = multiply %m0, %c0 : tensor<1x400xf32>
          %n = broadcast_in_dim %m {dimensions = [0, 1]} : tensor<1x400x64xf32>
          %d = subtract %x, %n : tensor<1x400x64xf32>
          %a = dot_general %d, %v {lhs_contracting_dimensions = [2], rhs_contracting_dimensions = [0]} : tensor<1x400x96xf32>
          %r = relu %a : tensor<1x400x96xf32>
          %b = dot_general %r, %w {lhs_contracting_dimensions = [2], rhs_contracting_dimensions = [1]} : tensor<1x400x64xf32>
          %y = add %b, %x : tensor<1x400x64xf32>
          """, input: [1, 400, 64], parameters: [("v", [64, 96]), ("w", [64, 96])]), 1
    ),
    (
      KernelCase(
        testDescription: "softmax of which another kernel reads a part in another order",
        body: """
          %s = tanh %x : tensor<1x4x90x130xf32>
          \(softmax("tensor<1x4x90x130xf32>", "tensor<1x4x90xf32>"))
          %f = transpose %e {permutation = [0, 1, 3, 2]} : tensor<1x4x130x90xf32>
          %z = dot_general %p, %f {lhs_batching_dimensions = [0, 1], lhs_contracting_dimensions = [3], rhs_batching_dimensions = [0, 1], rhs_contracting_dimensions = [2]} : tensor<1x4x90x90xf32>
          %y = negate %z : tensor<1x4x90x90xf32>
          """, input: [1, 4, 90, 130]), 2
    ),
  ]
}

/// Kernels that read each other's results, run block by block.
@Suite struct BlockChainTests {
  @Test(arguments: KernelCase.blockChains.map(\.item), Precision.ofCPUs)
  func nativeChainsKeepThePromiseForAnyThreads(_ item: KernelCase, precision: Precision) throws {
    let target = try Targets.resolve("native")
    let module = Scheduler.schedule(try item.plain(), for: target, precision: precision)
    #expect(try item.nativeError(of: module, for: target) <= precision.promise)
  }

  @Test(arguments: KernelCase.blockChains.indices, ["x86-64-v2", "x86-64-v3", "x86-64-v4"])
  func chainsAreOneKernelInBlocksThatFit(_ index: Int, _ name: String) throws {
    let (item, kernels) = KernelCase.blockChains[index]
    let target = try Targets.resolve(name)
    let module = Scheduler.schedule(try item.plain(), for: target)
    #expect(module.run.count == kernels, "\(module.run)")
    for kernel in module.kernels where kernel.name.contains("_to_") {
      guard case .loop(let loop) = kernel.body.last else { continue }
      #expect(loop.kind == .parallel)
      loop.body.forEachStatement {
        if case .loop(let inner) = $0 { #expect(inner.kind != .parallel) }
      }
      #expect(stackBytes(kernel) <= target.l2Bytes)
    }
  }

  /// Copies of two factors of 2000 terms and what is between do not fit the stack together.
  @Test func chainsFitTheStack() throws {
    let item = KernelCase(
      testDescription: "two products of long sums",
      body: """
        %a = dot_general %x, %x {lhs_batching_dimensions = [0], lhs_contracting_dimensions = [2], rhs_batching_dimensions = [0], rhs_contracting_dimensions = [2]} : tensor<64x80x80xf32>
        %b = dot_general %a, %x {lhs_batching_dimensions = [0], lhs_contracting_dimensions = [2], rhs_batching_dimensions = [0], rhs_contracting_dimensions = [1]} : tensor<64x80x2000xf32>
        %y = dot_general %b, %x {lhs_batching_dimensions = [0], lhs_contracting_dimensions = [2], rhs_batching_dimensions = [0], rhs_contracting_dimensions = [2]} : tensor<64x80x80xf32>
        """, input: [64, 80, 2000])
    let module = Scheduler.schedule(try item.plain(), for: try Targets.resolve("x86-64-v4"))
    try LoopVerifier.verify(module)
    for kernel in module.kernels {
      #expect(stackBytes(kernel) <= Target.localBytes, "\(kernel.name)")
    }
  }

  private func stackBytes(_ kernel: Kernel) -> Int {
    var bytes = 0
    kernel.body.forEachStatement {
      if case .allocate(let buffer) = $0, buffer.space == .stack { bytes += buffer.byteCount }
    }
    return bytes
  }

  /// Small tensors are in a cache anyway.
  @Test func chainsAreWorthIt() throws {
    let item = try #require(KernelCase.products.first { $0.testDescription.hasPrefix("attention") })
    let module = Scheduler.schedule(try item.plain(), for: try Targets.resolve("x86-64-v3"))
    #expect(!module.kernels.contains { $0.name.contains("_to_") })
  }
}
