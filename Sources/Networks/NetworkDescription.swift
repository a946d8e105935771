import Diagnostics
import Tensors

extension ModelDescription {
  public init(of network: any Network) {
    self.init(
      network: network.name,
      settings: Dictionary(
        network.settings.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first }))
  }

  /// Throws where the network has another name or a setting with another value.
  public func check(against model: any Network, file: String) throws(Diagnostic) {
    let other = ModelDescription(of: model)
    _ = try merged(network: other.network, settings: other.settings, file: file)
  }
}
