import CodeGen
import Compiler
import Diagnostics
import Execution
import GraphIR
import LoopIR
import Networks
import Schedules
import Tensors
import Training

/// Times whole training steps on random images; weights change as in training.
struct TrainingBench {
  var network: NetworkModel
  var batch: Int
  var height: Int
  var width: Int
  var options: TrainingOptions
  var weights: [String: Tensor<Float>]
  var target: Schedules.Target
  var precision: Precision
  var threads: Int
  var rounds: Int

  /// Untrained features: a step takes as long with any weights.
  private func vgg() throws(Diagnostic) -> [String: Tensor<Float>] {
    guard options.loss.needsVGG else { return [:] }
    return Weights.initialized(try NetworkModel(VGG16Features()), seed: 1).tensors
  }

  /// Seconds of each step, after two that are not counted.
  func times() throws(Diagnostic) -> [Double] {
    let session = try TrainingSession(
      network, batch: batch, height: height, width: width, options: options, weights: weights,
      vgg: try vgg(), target: target, precision: precision, threads: threads)
    let input = try image(network.network.inputChannels, seed: 1)
    let output = session.graph.function.type(of: session.graph.function.arguments[1]).shape
    let goal = try image(output[1], seed: 2)
    var times: [Double] = []
    for _ in 0..<rounds + 2 {
      let clock = ContinuousClock()
      let start = clock.now
      _ = try session.step(input: input, target: goal, learningRate: 1e-3)
      times.append((clock.now - start) / .seconds(1))
    }
    return Array(times.dropFirst(2))
  }

  private func image(_ channels: Int, seed: UInt64) throws(Diagnostic) -> Tensor<Float> {
    var numbers = SplitMix64(seed: seed)
    var tensor = Tensor<Float>(try Shape([batch, channels, height, width]), repeating: 0)
    for place in tensor.values.indices { tensor.values[place] = numbers.nextUnit() }
    return tensor
  }

  /// Every kernel of the step, beside the FMA peak.
  func layers() throws(Diagnostic) -> [Benchmark.Layer] {
    try HostCheck.check(target)
    let session = try TrainingSession(
      network, batch: batch, height: height, width: width, options: options, weights: weights,
      vgg: try vgg(), target: target, precision: precision, threads: threads, timingCalls: true)
    guard let compiled = session.compiled else {
      throw HostCheck.needsGPU("single kernels of \(target.name)")
    }
    return try Benchmark(
      session: compiled, target: target, threads: threads, rounds: rounds
    ).layers(session.inputs())
  }
}
