import CodeGen
import LoopIR
import Operations
import Tensors
import Testing

@testable import Schedules

extension KernelCase {
  /// A batch of products of the input's matrices [B, M, K] with themselves transposed, or as they are.
  private static func square(_ extents: [Int], transposed: Bool) -> KernelCase {
    let (batch, rows, inner) = (extents[0], extents[1], extents[2])
    let (left, right) = transposed ? (2, 2) : (2, 1)
    let columns = transposed ? rows : inner
    return KernelCase(
      testDescription: "matrices \(extents) times themselves\(transposed ? ", transposed" : "")",
      body: """
        %y = dot_general %x, %x {lhs_batching_dimensions = [0], lhs_contracting_dimensions = [\(left)], rhs_batching_dimensions = [0], rhs_contracting_dimensions = [\(right)]} : tensor<\(batch)x\(rows)x\(columns)xf32>
        """, input: extents)
  }

  /// Rows times weights [inner, columns] or, turned, [columns, inner], with a bias and ReLU.
  private static func linear(
    _ rows: [Int], _ inner: Int, _ columns: Int, turned: Bool = false
  ) -> KernelCase {
    let type = "tensor<" + (rows + [columns]).map { "\($0)x" }.joined() + "f32>"
    return KernelCase(
      testDescription:
        "\(rows) rows of \(inner) times \(turned ? "turned " : "")weights to \(columns)",
      body: """
        %c = dot_general %x, %w {lhs_contracting_dimensions = [\(rows.count)], rhs_contracting_dimensions = [\(turned ? 1 : 0)]} : \(type)
        %n = broadcast_in_dim %b {dimensions = [\(rows.count)]} : \(type)
        %s = add %c, %n : \(type)
        %y = relu %s : \(type)
        """,
      input: rows + [inner],
      parameters: [("w", turned ? [columns, inner] : [inner, columns]), ("b", [columns])])
  }

  /// Tiles that fit and do not, panels that are copied and read in place, sums along lanes, and softmax's rows.
  static let products: [KernelCase] =
    [[2, 37, 20], [1, 5, 3], [3, 64, 130], [1, 33, 300], [17, 2, 16], [1, 1, 40]].map {
      square($0, transposed: true)
    }
    + [[2, 24, 24], [1, 40, 40]].map { square($0, transposed: false) }
    + [
      linear([1], 64, 50), linear([2], 48, 7, turned: true), linear([19], 33, 80),
      linear([3, 21], 40, 18, turned: true), linear([50], 16, 3), linear([40], 257, 35),
      linear([66], 129, 17, turned: true),
    ]
    + [
      KernelCase(
        testDescription: "attention of two heads, out of one matrix",
        body: """
          %q = slice %x {start = [0, 0, 0], limit = [1, 34, 32], strides = [1, 1, 1]} : tensor<1x34x32xf32>
          %h = reshape %q : tensor<1x34x2x16xf32>
          %k = slice %x {start = [0, 0, 32], limit = [1, 34, 64], strides = [1, 1, 1]} : tensor<1x34x32xf32>
          %i = reshape %k : tensor<1x34x2x16xf32>
          %v = slice %x {start = [0, 0, 64], limit = [1, 34, 96], strides = [1, 1, 1]} : tensor<1x34x32xf32>
          %j = reshape %v : tensor<1x34x2x16xf32>
          %s = dot_general %h, %i {lhs_batching_dimensions = [0, 2], lhs_contracting_dimensions = [3], rhs_batching_dimensions = [0, 2], rhs_contracting_dimensions = [3]} : tensor<1x2x34x34xf32>
          %m = reduce %s {reducer = max, dimensions = [3]} : tensor<1x2x34xf32>
          %n = broadcast_in_dim %m {dimensions = [0, 1, 2]} : tensor<1x2x34x34xf32>
          %d = subtract %s, %n : tensor<1x2x34x34xf32>
          %e = exponential %d : tensor<1x2x34x34xf32>
          %t = reduce %e {reducer = add, dimensions = [3]} : tensor<1x2x34xf32>
          %r = broadcast_in_dim %t {dimensions = [0, 1, 2]} : tensor<1x2x34x34xf32>
          %p = divide %e, %r : tensor<1x2x34x34xf32>
          %y = dot_general %p, %j {lhs_batching_dimensions = [0, 1], lhs_contracting_dimensions = [3], rhs_batching_dimensions = [0, 2], rhs_contracting_dimensions = [1]} : tensor<1x2x34x16xf32>
          """, input: [1, 34, 96]),
      KernelCase(
        testDescription: "the largest element along columns of an image between kernels",
        body: """
          %c = convolution %x, %w {padding = [0, 0, 0, 0], strides = [1, 1]} : tensor<1x8x6x20xf32>
          %m = reduce %c {reducer = max, dimensions = [3]} : tensor<1x8x6xf32>
          %y = negate %m : tensor<1x8x6xf32>
          """, input: [1, 3, 6, 20], parameters: [("w", [8, 3, 1, 1])]),
    ]
}

/// Products of matrices as machine code, and what their schedules look like.
@Suite struct ProductTests {
  @Test(arguments: KernelCase.products, Precision.ofCPUs)
  func nativeProductsKeepThePromiseForAnyThreads(_ item: KernelCase, precision: Precision) throws {
    let target = try Targets.resolve("native")
    let module = Scheduler.schedule(try item.plain(), for: target, precision: precision)
    #expect(try item.nativeError(of: module, for: target) <= precision.promise)
  }

  /// Transposed, split and cut operands are read where they lie; every sum of many is vectors of neighbours.
  @Test func attentionTakesNoCopies() throws {
    let item = try #require(KernelCase.products.first { $0.testDescription.hasPrefix("attention") })
    let module = Scheduler.schedule(try item.plain(), for: try Targets.resolve("x86-64-v3"))
    let kernels = module.run.compactMap(\.calledKernel)
    #expect(kernels.count == 6, "\(kernels)")
    for name in kernels where name.contains("dot_general") {
      let text = LoopPrinter.text(try #require(module.kernel(named: name)).body)
      #expect(text.contains("allocate %panel : f32[") && text.contains("parallel for"))
    }
    for name in kernels where name.hasPrefix("reduce") {
      let text = LoopPrinter.text(try #require(module.kernel(named: name)).body)
      #expect(text.contains("allocate %part : f32[32] register"), "\(name)")
    }
  }

  /// Long sums are blocks of at most 128 products, and few rows of weights are summed along the lanes.
  @Test func sumsAreBlocksAndLanes() throws {
    func text(_ description: String) throws -> String {
      let item = try #require(
        KernelCase.products.first { $0.testDescription.hasPrefix(description) })
      let module = Scheduler.schedule(try item.plain(), for: try Targets.resolve("x86-64-v4"))
      let name = try #require(module.run.last?.calledKernel)
      return LoopPrinter.text(try #require(module.kernel(named: name)).body)
    }
    let long = try text("[40] rows of 257")
    #expect(long.contains("min(86,") && long.contains("allocate %part"), "\(long)")
    #expect(try text("[1] rows of 64").contains(" : f32[8, 1, 16] register"))
  }
}
