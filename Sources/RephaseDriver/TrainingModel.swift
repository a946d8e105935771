import ArgumentParser
import Diagnostics
import Networks
import Tensors
import Training

extension ModelOptions {
  /// The network to be trained and its images' size; throws where MODEL is a dump or an ONNX file.
  func trainable() throws -> (network: NetworkModel, height: Int, width: Int) {
    guard let network = try network() else {
      throw Diagnostic(
        "\(model ?? "a dump") is no network that can be trained",
        help: dumpedNetwork.map { "give its name, \($0)" }
          ?? "give a zoo name, or 'self' in an executable of your own")
    }
    let size = size?.size ?? Self.standardSize
    return (network, size.height, size.width)
  }

  /// MODEL and `--set` of the network that the dump says it is of.
  var dumpedNetwork: String? {
    guard isDump, let model, let origin = (try? Self.dump(model))?.origin else { return nil }
    let settings = origin.settings.sorted { $0.key < $1.key }.map { "--set \($0.key)=\($0.value)" }
    return ([origin.network] + settings).joined(separator: " ")
  }

  /// The weights file's, or fresh ones.
  func weightsOrFresh(_ network: NetworkModel) throws -> [String: Tensor<Float>] {
    guard let weights else { return Weights.initialized(network, seed: 1).tensors }
    return try Weights.read(weights, for: network).tensors
  }
}

/// A loss as `--loss` and `--train` take it; a wrong one is wrong usage.
struct LossOption: ExpressibleByArgument {
  var loss: LossFunction

  init?(argument: String) {
    guard let loss = try? LossFunction(parsing: argument) else { return nil }
    self.loss = loss
  }
}

/// An optimizer's name.
struct OptimizerOption: ExpressibleByArgument {
  var optimizer: Optimizer
  static let standard = OptimizerOption(optimizer: .rmsprop)

  init(optimizer: Optimizer) { self.optimizer = optimizer }

  init?(argument: String) {
    guard let optimizer = try? Optimizer(parsing: argument) else { return nil }
    self.optimizer = optimizer
  }

  var defaultValueDescription: String { optimizer.rule.rawValue }
}
