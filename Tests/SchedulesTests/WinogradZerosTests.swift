import CodeGen
import LoopIR
import Tensors
import Testing

@testable import Schedules

/// Products that are zero because an image repeats its pixels.
@Suite struct WinogradZerosTests {
  private func zeros(_ item: KernelCase, _ transform: WinogradTransform) throws -> [WinogradZeros] {
    for kernel in try item.plain().kernels {
      if let nest = WinogradNest(kernel) { return nest.zeros(transform) }
    }
    Issue.record("no convolution in \(item)")
    return []
  }

  /// A tile of an image that is upsampled by 2, read with padding 1: its first element is the second of a pair.
  private func tile(_ transform: WinogradTransform, _ seed: Int) -> [Fraction] {
    (0..<transform.inputs).map { Fraction((($0 + 1) / 2 * 37 + seed * 11) % 19 - 9) }
  }

  @Test(arguments: WinogradTransform.all)
  func theyAreTheRowsThatGiveZero(_ transform: WinogradTransform) throws {
    let parts = try zeros(WinogradTests.upsampledSkip(16), transform)
    #expect(parts.map(\.channels) == [0..<16, 16..<24])
    let zero = transform.inputMatrix.indices.filter { row in
      (0..<8).allSatisfy { seed in
        zip(transform.inputMatrix[row], tile(transform, seed)).reduce(Fraction(0)) {
          $0 - (-($1.0 * $1.1))
        } == 0
      }
    }
    #expect(parts[0].rows == zero && parts[0].columns == zero)
    #expect(parts[1].rows.isEmpty && parts[1].columns.isEmpty)
    #expect(zero.isEmpty == !transform.points.contains(-1))
  }

  @Test func otherImagesHaveNone() throws {
    for transform in WinogradTransform.all {
      for item in [KernelCase.convolution(8, 8, size: (8, 8)), .residual()] {
        let parts = try zeros(item, transform)
        #expect(parts.map(\.channels) == [0..<8])
        #expect(parts.allSatisfy { $0.count(of: transform.inputs) == 0 })
      }
    }
  }

  /// Without padding tiles start at the first of a pair, where nothing cancels; 3 copies have no pairs.
  @Test(arguments: [(2, 0), (3, 1)])
  func theStartAndTheNumberOfCopiesMatter(scale: Int, padding: Int) throws {
    let (extent, result) = (4 * scale, 4 * scale + 2 * padding - 2)
    let item = KernelCase(
      testDescription: "upsampled by \(scale) with padding \(padding)",
      body: """
        %u = upsample_nearest %x {scale = [\(scale), \(scale)]} : tensor<1x8x\(extent)x\(extent)xf32>
        %y = convolution %u, %w {padding = [\(padding), \(padding), \(padding), \(padding)], strides = [1, 1]} : tensor<1x8x\(result)x\(result)xf32>
        """,
      input: [1, 8, 4, 4], parameters: [("w", [8, 8, 3, 3])])
    let parts = try zeros(item, WinogradTransform.all[2])
    #expect(parts.map(\.rows) == [[]] && parts.map(\.columns) == [[]])
  }

  @Test func theCountIsOfRowsAndColumns() {
    #expect(WinogradZeros(channels: 0..<1, rows: [2], columns: [2]).count(of: 6) == 11)
    #expect(WinogradZeros(channels: 0..<1, rows: [], columns: [4]).count(of: 6) == 6)
    #expect(WinogradZeros(channels: 0..<1, rows: [], columns: []).count(of: 6) == 0)
  }

  /// The usual points elsewhere: their error is smaller.
  @Test func theSpecialTransformIsForUpsampledImages() throws {
    let items = [KernelCase.convolution(32, 32, size: (16, 32)), upsampled]
    let labels = ["winograd4x4(", "winograd4x4u("]
    for (item, label) in zip(items, labels) {
      let module = Scheduler.schedule(
        try item.plain(), for: try Targets.resolve("x86-64-v3"), precision: .standard)
      #expect(LoopPrinter.text(module).contains(label))
    }
  }

  private var upsampled: KernelCase {
    KernelCase(
      testDescription: "upsampled by 2",
      body: """
        %u = upsample_nearest %x {scale = [2, 2]} : tensor<1x32x16x32xf32>
        %y = convolution %u, %w {padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<1x32x16x32xf32>
        """,
      input: [1, 32, 8, 16], parameters: [("w", [32, 32, 3, 3])])
  }
}
