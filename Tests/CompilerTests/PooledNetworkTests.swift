import CodeGen
import LoopIR
import Networks
import Schedules
import Tensors
import Testing

@testable import Compiler

/// Networks whose convolutions pool their results, against the same networks with poolings as kernels of their own.
@Suite struct PooledNetworkTests {
  /// The module with poolings that seem to read the input as well, which no convolution can do for them.
  private func apart(_ module: LoopModule) throws -> LoopModule {
    var result = module
    var unread = try #require(
      module.buffers.first { if case .input = $0.role { true } else { false } }
    )
    .buffer
    let input = unread.name
    unread.name = "unread"
    for index in module.kernels.indices where isPooling(module.kernels[index]) {
      let name = module.kernels[index].name
      result.kernels[index].parameters.insert(KernelParameter(unread, .read), at: 1)
      result.run = result.run.map { statement in
        guard case .call(name, let arguments) = statement else { return statement }
        return .call(name, [arguments[0], input, arguments[1]])
      }
    }
    return result
  }

  private func isPooling(_ kernel: Kernel) -> Bool { kernel.name.hasPrefix("reduce_window") }

  /// The U-Net, with skips, and VGG-16's features, without; odd sizes, and tiles that reach beyond the image.
  @Test(
    arguments: [("unet", 8, 20, 12), ("unet", 1, 36, 44), ("vgg16-features", 2, 13, 22)],
    Precision.ofCPUs)
  func bitsAreThoseOfTwoKernels(
    _ item: (name: String, batch: Int, height: Int, width: Int), precision: Precision
  ) throws {
    let settings = item.name == "unet" ? ["filters": "16"] : [:]
    let network = try NetworkModel(try Zoo.network(named: item.name, settings: settings))
    let graph = try network.graph(batch: item.batch, height: item.height, width: item.width)
    let weights = Weights.initialized(network, seed: 5).tensors
    let target = try Targets.resolve("native")
    let plain = try Pipeline(target: target, precision: precision).plain(.graph(graph))
    let sessions = try [plain, try apart(plain)].map {
      try ModelSession(.loops($0), target: target, precision: precision, weights: weights)
    }
    #expect(sessions[0].module.kernels.count(where: isPooling) == 0)
    #expect(sessions[1].module.kernels.count(where: isPooling) == 2)
    let inputs = try Benchmark.inputs(of: plain)
    let results = try sessions.map { try $0.session.run(inputs: inputs, threads: 2) }
    #expect(results[0] == results[1])
    #expect(try sessions[0].session.run(inputs: inputs, threads: 1) == results[0])
  }
}
