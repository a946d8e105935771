import Diagnostics
import Tensors

/// How a fresh parameter is filled.
public enum Initializer: Hashable, Sendable {
  /// Uniform in ±√(6 / (fan_in + fan_out)), fans times the kernel's area (Glorot and Bengio 2010; TF1's default).
  case glorotUniform
  /// Uniform in ±1/√fan_in: what `torch.nn.Conv2d` starts with.
  case fanInUniform
  case constant(Float)
}

/// A trainable or stored array of a layer; its name is the path of properties that leads to it.
///
/// A class, so that a network's struct can be copied freely while every copy means the same parameter.
public final class Parameter: Sendable {
  public let shape: [Int]
  public let initializer: Initializer
  /// False for statistics such as a running mean.
  public let isTrainable: Bool

  public init(_ shape: [Int], _ initializer: Initializer, isTrainable: Bool = true) {
    self.shape = shape
    self.initializer = initializer
    self.isTrainable = isTrainable
  }
}

/// A layer whose parameters are saved under other names than its properties have.
public protocol SavedUnderOtherNames {
  /// From a property's name to the name in weight files.
  static var savedNames: [String: String] { get }
}

/// A parameter of a network with its name in weight files and its checked shape.
public struct NamedParameter: Sendable {
  /// The path of properties, as in PyTorch's state dicts: `blocks.0.conv1.weight`.
  public let name: String
  public let shape: Shape
  public let initializer: Initializer
  public let isTrainable: Bool
  let identity: ObjectIdentifier
}

/// Finds the parameters of a network by walking its stored properties, in the order of their definition.
struct ParameterWalk {
  private(set) var parameters: [NamedParameter] = []
  private var visited: Set<ObjectIdentifier> = []
  private var names: Set<String> = []

  /// A parameter that several paths reach counts once, under its first path: a shared weight.
  ///
  /// Throws where a shape is invalid, two parameters have one name, or one lies in a dictionary or set, which
  /// have no order.
  init(_ network: any Network) throws(Diagnostic) {
    try visit(network, path: "")
  }

  private mutating func visit(_ value: Any, path: String) throws(Diagnostic) {
    if let parameter = value as? Parameter {
      try add(parameter, path)
      return
    }
    let mirror = Mirror(reflecting: value)
    let savedNames = (value as? any SavedUnderOtherNames).map { type(of: $0).savedNames } ?? [:]
    switch mirror.displayStyle {
    case .struct, .tuple:
      for (index, child) in mirror.children.enumerated() {
        let label = child.label ?? "\(index)"
        try visit(child.value, path: Self.join(path, savedNames[label] ?? label))
      }
    case .class:
      guard visited.insert(ObjectIdentifier(value as AnyObject)).inserted else { return }
      for child in mirror.children {
        let label = child.label ?? ""
        try visit(child.value, path: Self.join(path, savedNames[label] ?? label))
      }
    case .collection:
      for (index, child) in mirror.children.enumerated() {
        try visit(child.value, path: Self.join(path, "\(index)"))
      }
    case .optional, .enum:
      // A case is no property: its payload keeps the path.
      for child in mirror.children { try visit(child.value, path: path) }
    case .dictionary, .set:
      try refuseParameters(in: mirror, path)
    default: return
    }
  }

  private func refuseParameters(in mirror: Mirror, _ path: String) throws(Diagnostic) {
    var inner = self
    let known = inner.parameters.count
    for child in mirror.children { try inner.visit(child.value, path: path) }
    guard inner.parameters.count == known else {
      throw Diagnostic(
        "'\(path)' keeps layers in a dictionary or set, which has no order",
        help: "keep them in an array")
    }
  }

  private mutating func add(_ parameter: Parameter, _ path: String) throws(Diagnostic) {
    let identity = ObjectIdentifier(parameter)
    guard visited.insert(identity).inserted else { return }
    let shape: Shape
    do { shape = try Shape(parameter.shape) } catch {
      throw Diagnostic(
        "parameter '\(path)': \(error.message)", help: "check the sizes given to its layer")
    }
    guard names.insert(path).inserted else {
      throw Diagnostic("two parameters have the name '\(path)'", help: "rename one property")
    }
    parameters.append(
      NamedParameter(
        name: path, shape: shape, initializer: parameter.initializer,
        isTrainable: parameter.isTrainable, identity: identity))
  }

  private static func join(_ path: String, _ label: String) -> String {
    path.isEmpty ? label : path + "." + label
  }
}
