import Diagnostics
import GraphIR
import Networks
import Operations
import Tensors

/// How images in 0...1 are turned into VGG-16's input; which one belongs to which public weight file is in PAPER.md.
public enum Preprocessing: String, Hashable, Sendable, CaseIterable {
  /// As they are.
  case raw01
  /// 255 times the image less the means of blue, green and red, in this order (Keras).
  case caffe
  /// Less ImageNet's means of red, green and blue, over their standard deviations (torchvision).
  case torchvision

  /// For each of VGG's three channels: the image's factor, and what is added.
  var channels: [(factor: Double, offset: Double)] {
    switch self {
    case .raw01: return [(1, 0), (1, 0), (1, 0)]
    case .caffe: return [103.939, 116.779, 123.68].map { (255, -$0) }
    case .torchvision:
      return zip([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]).map { (1 / $1, -$0 / $1) }
    }
  }
}

/// Weighted mean squared differences of features of VGG-16, whose weights are parameters `vgg.features...` that
/// no gradient reaches.
struct PerceptualLoss {
  /// Of b1c1, b2c1 and b3c1, after their ReLU.
  var weights: [Double]
  var preprocessing: Preprocessing
  /// Before the names of torchvision, in graphs of training steps.
  static let prefix = "vgg."

  /// Images have one channel, or two: the real and imaginary part, of which the magnitude counts.
  func append(
    _ prediction: ValueID, _ target: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID {
    let shape = builder.shape(of: prediction)
    let network = try NetworkModel(VGG16Features())
      .graph(batch: shape[0], height: shape[2], width: shape[3])
    guard weights.count == network.results.count else {
      throw Diagnostic(
        "the perceptual loss takes \(network.results.count) weights, not \(weights.count)")
    }
    var parameters: [String: ValueID] = [:]
    let ours = try features(of: prediction, network, &parameters, &builder)
    let theirs = try features(of: target, network, &parameters, &builder)
    var total: ValueID?
    for (weight, pair) in zip(weights, zip(ours, theirs)) {
      let distance = try LossFunction.meanSquare(pair.0, pair.1, &builder)
      let weighted = try builder.multiply(distance, weight)
      if let sum = total { total = try builder.add(sum, weighted) } else { total = weighted }
    }
    guard let total else { throw Diagnostic("the perceptual loss needs a weight") }
    return total
  }

  private func features(
    of image: ValueID, _ network: Function, _ parameters: inout [String: ValueID],
    _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID] {
    var mapping = [network.arguments[0]: try colours(of: image, &builder)]
    for node in network.nodes {
      if let parameter = node.operation as? ParameterOperation {
        mapping[node.results[0]] = try weight(parameter, &parameters, &builder)
        continue
      }
      let results = try builder.results(
        node.operation, node.operands.compactMap { mapping[$0] },
        names: node.results.map { network.name(of: $0).map { "vgg.\($0)" } })
      for (old, new) in zip(node.results, results) { mapping[old] = new }
    }
    return network.results.compactMap { mapping[$0] }
  }

  /// Each weight stands in the graph once.
  private func weight(
    _ parameter: ParameterOperation, _ known: inout [String: ValueID],
    _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID {
    if let value = known[parameter.name] { return value }
    let own = ParameterOperation(Self.prefix + parameter.name, parameter.type)
    let value = try builder.apply(StopGradient(), try builder.apply(own))
    known[parameter.name] = value
    return value
  }

  /// Three channels [N, 3, H, W] out of one.
  private func colours(
    of image: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID {
    let grey = try magnitude(of: image, &builder)
    var extents = builder.shape(of: grey).extents
    extents[1] = 3
    if preprocessing == .raw01 {
      return try builder.broadcast(grey, to: try Shape(extents), dimensions: [0, 1, 2, 3])
    }
    var channels: [ValueID] = []
    for (factor, offset) in preprocessing.channels {
      channels.append(try builder.add(try builder.multiply(grey, factor), offset))
    }
    return try builder.results(Concatenate(dimension: 1), channels)[0]
  }

  private func magnitude(
    of image: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID {
    let extents = builder.shape(of: image).extents
    if extents[1] == 1 { return image }
    guard extents[1] == 2 else {
      throw Diagnostic(
        "the perceptual loss takes images of 1 channel, or 2 (real and imaginary part), not \(extents[1])",
        help: "use another loss")
    }
    let square = try builder.multiply(image, image)
    let sum = try builder.sum(square, over: [1])
    // The square root has no derivative at 0.
    let root = try builder.apply(Sqrt(), try builder.add(sum, 1e-12))
    let shape = try Shape([extents[0], 1, extents[2], extents[3]])
    return try builder.broadcast(root, to: shape, dimensions: [0, 2, 3])
  }
}
