import LoopIR
import Testing

@testable import Compiler

@Suite struct RooflineTests {
  private let roof = Roofline(gflops: 100, gbytesPerSecond: 10)

  @Test func theSlowerOfTheTwoBinds() {
    let arithmetic = roof.least(gflop: 50, gbytes: 1)
    #expect(arithmetic.bound == .arithmetic)
    #expect(arithmetic.seconds == 0.5)
    let memory = roof.least(gflop: 50, gbytes: 20)
    #expect(memory.bound == .memory)
    #expect(memory.seconds == 2)
  }

  @Test func winogradSavesMultiplications() {
    #expect(Roofline.saving(ofKernel: "convolution3x3_32_relu_1x32x192x128") == 1)
    #expect(Roofline.saving(ofKernel: "convolution3x3_32_relu_1x32x192x128_winograd2x2") == 2.25)
    #expect(Roofline.saving(ofKernel: "convolution3x3_32_relu_1x32x192x128_winograd4x4_v2") == 4)
  }

  /// A convolution is the same work with or without poolings of its result, whichever of the two is written.
  @Test(arguments: [Precision.standard, .strict]) func poolingIsNoWork(precision: Precision) throws
  {
    func work(_ rest: String) throws -> [Int] {
      let text = """
        rephase_ir 1
        func @f(%x: tensor<1x8x12x16xf32>) -> tensor<1x8x12x16xf32> {
          %w = parameter "w" : tensor<8x8x3x3xf32>
          %c = convolution %x, %w {padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<1x8x12x16xf32>
          %p = reduce_window %c {reducer = max, window = [2, 2], strides = [2, 2]} : tensor<1x8x6x8xf32>
          %u = upsample_nearest %p {scale = [2, 2]} : tensor<1x8x12x16xf32>
          \(rest)
          return %y
        }
        """
      let model = try DumpReader.read(text, file: "pooled.rir")
      return try Pipeline(target: try v3(), precision: precision).scheduled(model).workOfCalls()
    }
    let pooled = try work("%y = negate %u : tensor<1x8x12x16xf32>")
    let both = try work("%y = add %u, %c : tensor<1x8x12x16xf32>")
    #expect(pooled.filter { $0 > 0 } == [2 * 9 * 8 * 8 * 12 * 16])
    #expect(both.filter { $0 > 0 } == pooled.filter { $0 > 0 })
  }

  @Test func trafficCountsEachBufferOnce() throws {
    let module = try Pipeline(target: try v3()).scheduled(try sampleModel())
    let traffic = module.trafficOfCalls()
    #expect(traffic.count == module.run.count)
    for (bytes, statement) in zip(traffic, module.run) {
      guard case .call(_, let arguments) = statement else { continue }
      var sum = 0
      for name in Set(arguments) {
        sum += try #require(module.buffer(named: name)).buffer.byteCount
      }
      #expect(bytes == sum && bytes > 0)
    }
  }
}
