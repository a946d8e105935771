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
