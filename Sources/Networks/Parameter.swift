import Tensors

/// How a fresh parameter is filled.
public enum Initializer: Hashable, Sendable {
  /// Uniform in ±√(6 / (fan_in + fan_out)), fans times the kernel's area (Glorot and Bengio 2010; TF1's default).
  case glorotUniform
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
