import CodeGen
import Execution
import Foundation
import LoopIR
import Schedules
import Tensors
import Testing

@Suite struct ConvolutionTests {
  private func session(
    _ convolution: Convolution, _ body: [Statement], scheduled: Bool, timing: Bool = false,
    target: String = "native"
  ) throws -> NativeSession {
    let shape = try Shape([convolution.outputs, convolution.channels, 3, 3])
    return try NativeSession(
      convolution.module(body, scheduled: scheduled), target: try Targets.resolve(target),
      parameters: [
        "weight": try Tensor(shape, noise(shape.elementCount, seed: 2)),
        "bias": try Tensor(try Shape([convolution.outputs]), noise(convolution.outputs, seed: 3)),
      ], timingCalls: timing)
  }

  /// Heights and widths that leave a short last tile, and one that does not.
  @Test(arguments: [(6, 29, 16), (5, 33, 8), (7, 64, 7), (4, 30, 4)])
  func schedulesKeepEveryBit(_ height: Int, _ width: Int, _ lanes: Int) throws {
    let outputs = lanes == 7 ? 21 : 32
    let convolution = Convolution(
      channels: 5, outputs: outputs, height: height, width: width, tile: 4, lanes: lanes)
    let shape = try Shape([1, 5, height, width])
    let input = try Tensor(shape, noise(shape.elementCount))
    let plain = try session(convolution, convolution.plain, scheduled: false)
      .run(inputs: [input], threads: 1)
    for threads in [1, 2] {
      let fast = try session(convolution, convolution.scheduled, scheduled: true)
        .run(inputs: [input], threads: threads)
      #expect(fast == plain)
    }
  }

  @Test func reachesTheFMAUnits() throws {
    let target = try Targets.resolve("native")
    guard target.floatLanes >= 8, target.hasFMA else { return }
    var convolution = Convolution()
    convolution.lanes = target.floatLanes
    convolution.tile = target.vectorRegisters == 32 ? 14 : 3
    let module = convolution.module(convolution.scheduled, scheduled: true)
    let text = try assembly(module)
    let products = text.split(separator: "\n").filter { $0.contains("vfmadd") && $0.contains("ps") }
    #expect(products.contains { $0.contains(target.floatLanes == 16 ? "%zmm" : "%ymm") })
    #expect(!products.contains { $0.contains("(%rsp)") || $0.contains("(%rbp)") })

    let runner = try session(convolution, convolution.scheduled, scheduled: true, timing: true)
      .makeRunner(threads: 1)
    let clock = ContinuousClock()
    let times = (0..<20).map { _ in clock.measure { runner.runCall(1) } }
    let best = times.min().map { Double($0.components.attoseconds) * 1e-18 } ?? 0
    print("conv 3x3 32->32, 192x128, 1 thread: \(convolution.operations / best * 1e-9) GFLOP/s")
  }
}
