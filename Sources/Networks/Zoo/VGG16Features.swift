import Diagnostics

/// The first layers of VGG-16 (Simonyan and Zisserman 2015), numbered as in torchvision, for the perceptual loss.
///
/// Three outputs: after the ReLU of `features.0`, `.5` and `.10` (b1c1, b2c1, b3c1).
public struct VGG16Features: Network {
  let features: [Layer]

  enum Layer: Sendable {
    case convolution(Conv2D)
    case relu
    case pool
  }

  public init() {
    features = [
      .convolution(Conv2D(3, 64)), .relu, .convolution(Conv2D(64, 64)), .relu, .pool,
      .convolution(Conv2D(64, 128)), .relu, .convolution(Conv2D(128, 128)), .relu, .pool,
      .convolution(Conv2D(128, 256)), .relu,
    ]
  }

  public var name: String { "vgg16-features" }
  public var inputChannels: Int { 3 }
  /// Public files hold the whole of VGG-16.
  public var ignoresOtherWeights: Bool { true }

  /// The image is halved twice.
  public func check(height: Int, width: Int) throws(Diagnostic) {
    guard height >= 4, width >= 4 else {
      throw Diagnostic(
        "vgg16-features takes images of at least 4x4, not \(height)x\(width)",
        help: "use larger images")
    }
  }

  /// The last output.
  public func callAsFunction(_ x: Value) -> Value { outputs(x)[2] }

  public func outputs(_ x: Value) -> [Value] {
    var values: [Value] = []
    var y = x
    for layer in features {
      switch layer {
      case .convolution(let convolution): y = convolution(y)
      case .relu: y = y.relu()
      case .pool: y = y.maxPooled()
      }
      values.append(y)
    }
    return [values[1], values[6], values[11]]
  }
}
