import CodeGen
import Diagnostics
import Networks
import Schedules
import Tensors

@testable import Training

extension SplitMix64 {
  /// Multiples of 2^-24 in 0..<1.
  mutating func image(_ extents: [Int]) throws -> Tensor<Float> {
    var tensor = Tensor<Float>(try Shape(extents), repeating: 0)
    for place in tensor.values.indices { tensor.values[place] = nextUnit() }
    return tensor
  }
}

/// A network of the zoo with small images, and what training it needs.
struct Setup {
  var model: NetworkModel
  var batch = 3
  var height = 12
  var width = 8
  var weights: [String: Tensor<Float>]
  var vgg: [String: Tensor<Float>]

  init(_ name: String, _ settings: [String: String] = [:]) throws {
    model = try NetworkModel(Zoo.network(named: name, settings: settings))
    weights = Weights.initialized(model, seed: 5).tensors
    vgg = Weights.initialized(try NetworkModel(VGG16Features()), seed: 6).tensors
  }

  func graph(_ options: TrainingOptions) throws -> TrainingGraph {
    try TrainingGraph.make(model, batch: batch, height: height, width: width, options: options)
  }

  func session(_ options: TrainingOptions, threads: Int = 2) throws -> TrainingSession {
    try TrainingSession(
      model, batch: batch, height: height, width: width, options: options, weights: weights,
      vgg: options.loss.needsVGG ? vgg : [:], target: try Targets.resolve("native"),
      threads: threads)
  }

  /// The batch of this number.
  func images(_ number: UInt64) throws -> (input: Tensor<Float>, target: Tensor<Float>) {
    var numbers = SplitMix64(seed: 100 + number)
    let extents = [batch, model.network.inputChannels, height, width]
    return (try numbers.image(extents), try numbers.image(extents))
  }
}

func options(_ loss: String, _ optimizer: Optimizer = .rmsprop) throws -> TrainingOptions {
  TrainingOptions(loss: try LossFunction(parsing: loss), optimizer: optimizer)
}
