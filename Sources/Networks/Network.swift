import Diagnostics

/// A setting of a network as `--set name=value` takes it.
public struct Setting: Hashable, Sendable {
  public let name: String
  public let value: String

  public init(_ name: String, _ value: some CustomStringConvertible) {
    self.name = name
    self.value = value.description
  }
}

/// A network: a struct whose stored properties are layers and whose `callAsFunction` applies them.
///
/// Its parameters are named by the path of properties that leads to them; every path through the function is
/// ordinary Swift, run once for each size of image to write down the graph.
public protocol Network: Sendable {
  /// The model's name in files; letters, digits, `-` and `_`. The type's name unless defined.
  var name: String { get }

  /// What distinguishes this network from others of its name, in a fixed order; none unless defined.
  var settings: [Setting] { get }

  /// Channels of the input image.
  var inputChannels: Int { get }

  /// Whether a weight file may hold tensors of further layers that this network has not; false unless defined.
  var ignoresOtherWeights: Bool { get }

  /// The parameters that make the network the identity where all are zero; none unless defined.
  ///
  /// Training starts there: a correction that starts at zero never has to unlearn random images first (as in Goyal et
  /// al. 2017, arXiv:1706.02677, section 5.1, for each block).
  var identityParameters: [String] { get }

  /// Throws, with a remedy, where the network cannot take images of this size; takes all unless defined.
  func check(height: Int, width: Int) throws(Diagnostic)

  /// The network's output for an image [N, C, H, W].
  func callAsFunction(_ x: Value) -> Value

  /// All outputs, for networks with several; the one of `callAsFunction` unless defined.
  func outputs(_ x: Value) -> [Value]
}

extension Network {
  public var name: String { String(describing: Self.self) }
  public var settings: [Setting] { [] }
  public var ignoresOtherWeights: Bool { false }
  public var identityParameters: [String] { [] }
  public func check(height: Int, width: Int) throws(Diagnostic) {}
  public func outputs(_ x: Value) -> [Value] { [callAsFunction(x)] }
}
