import GraphPasses
import Networks
import Operations
import Tensors
import Testing

@testable import Training

/// Gradients of whole networks and losses against central differences along a direction, both in float64.
@Suite struct DirectionalDerivativeTests {
  static let networks: [(name: String, settings: [String: String])] = [
    ("resnet2", ["filters": "4"]), ("resnet1", ["filters": "3", "residual": "true"]),
    ("unet", ["filters": "3"]),
  ]
  static let losses = ["l2", "l1", "dssim", "perceptual"]

  /// Half the distance between the two points, in units of the direction: far from kinks, and from rounding.
  private static let step = 1e-6

  /// Numbers in -1..<1.
  private func noise(_ tensor: Tensor<Float>, _ numbers: inout SplitMix64) -> Tensor<Double> {
    tensor.map { _ in Double(numbers.nextUnit()) * 2 - 1 }
  }

  @Test(arguments: networks.indices, losses)
  func theGradientIsTheSlopeInAnyDirection(_ index: Int, loss: String) throws {
    var setup = try Setup(Self.networks[index].name, Self.networks[index].settings)
    setup.batch = 2
    let network = try setup.model.graph(
      batch: setup.batch, height: setup.height, width: setup.width)
    let forward = try ForwardPass(
      network, loss: try LossFunction(parsing: loss), name: "f", isTraining: true)
    let derived = try Differentiate.differentiated(forward.function)
    let images = try setup.images(3)
    let inputs = [images.input, images.target].map { $0.map { Double($0) } }
    var numbers = SplitMix64(seed: 17)
    var weights: [String: Tensor<Double>] = [:]
    var direction: [String: Tensor<Double>] = [:]
    for (name, tensor) in setup.weights.sorted(by: { $0.key < $1.key }) {
      // Biases and offsets of fresh weights are all zero.
      var value = noise(tensor, &numbers)
      for place in value.values.indices {
        value.values[place] = Double(tensor.values[place]) + 0.1 * value.values[place]
      }
      weights[name] = value
      direction[name] = noise(tensor, &numbers)
    }
    func parameters(_ distance: Double) -> [String: Tensor<Double>] {
      var moved = weights
      for name in derived.parameters {
        guard var value = weights[name], let step = direction[name] else { continue }
        for place in value.values.indices {
          value.values[place] += distance * step.values[place]
        }
        moved[name] = value
      }
      for (name, tensor) in setup.vgg {
        moved[PerceptualLoss.prefix + name] = tensor.map { Double($0) }
      }
      return moved
    }
    func value(_ distance: Double) throws -> Double {
      try Reference.evaluate(
        forward.function, inputs: inputs, parameters: parameters(distance))[0].values[0]
    }
    let results = try Reference.evaluate(
      derived.function, inputs: inputs, parameters: parameters(0))
    let gradients = results.suffix(derived.parameters.count)
    #expect(gradients.count == derived.parameters.count && !gradients.isEmpty)
    var slope = 0.0
    for (name, gradient) in zip(derived.parameters, gradients) {
      let along = try #require(direction[name])
      for (a, b) in zip(gradient.values, along.values) { slope += a * b }
    }
    let difference = (try value(Self.step) - value(-Self.step)) / (2 * Self.step)
    #expect(abs(slope - difference) <= 1e-6 * abs(slope), "\(slope), \(difference)")
    #expect(slope != 0)
  }
}
