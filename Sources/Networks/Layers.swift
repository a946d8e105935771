import GraphIR
import Operations

/// A two-dimensional convolution, with bias unless that is left out, on images [N, C, H, W].
public struct Conv2D: Sendable {
  public enum Padding: Sendable {
    /// Zeros around the image so that, with stride 1, the output is as large as the input; an even kernel's odd
    /// row and column go below and to the right.
    case same
    /// None: the kernel stays inside the image.
    case valid
  }

  /// [outputs, inputs / groups, kernel, kernel].
  public let weight: Parameter
  /// [outputs]; nil without a bias.
  public let bias: Parameter?
  private let kernel: Int
  private let stride: Int
  private let padding: Padding
  private let dilation: Int
  private let groups: Int

  /// `dilation` is the distance of neighbouring taps; channels in different ones of the `groups` see nothing of each
  /// other: as many groups as inputs make a depthwise convolution.
  public init(
    _ inputs: Int, _ outputs: Int, kernel: Int = 3, stride: Int = 1, padding: Padding = .same,
    dilation: Int = 1, groups: Int = 1, bias: Bool = true,
    initializer: Initializer = .glorotUniform
  ) {
    weight = Parameter([outputs, inputs / max(1, groups), kernel, kernel], initializer)
    self.bias = bias ? Parameter([outputs], .constant(0)) : nil
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
    self.dilation = dilation
    self.groups = groups
  }

  public func callAsFunction(
    _ x: Value, fileID: String = #fileID, line: Int = #line
  ) -> Value {
    // What overflows is refused as a kernel's shape or as a dilation.
    let border = padding == .same ? (kernel - 1) &* dilation : 0
    let (before, after) = (border / 2, border - border / 2)
    return x.convolved(
      with: weight.value(beside: x, fileID: fileID, line: line),
      bias: bias?.value(beside: x, fileID: fileID, line: line),
      padding: [before, after, before, after], strides: [stride, stride],
      dilation: [dilation, dilation], groups: groups,
      name: x.tracer.layerName(of: weight), fileID: fileID, line: line)
  }
}

/// Batch normalization of images [N, C, H, W], with stored statistics at inference.
public struct BatchNorm: Sendable, SavedUnderOtherNames {
  public static let savedNames = ["runningMean": "running_mean", "runningVar": "running_var"]

  public let weight: Parameter
  public let bias: Parameter
  public let runningMean: Parameter
  public let runningVar: Parameter
  private let epsilon: Double

  /// The default epsilon is that of TF1's `tf.layers.batch_normalization`.
  public init(_ channels: Int, epsilon: Double = 1e-3) {
    weight = Parameter([channels], .constant(1))
    bias = Parameter([channels], .constant(0))
    runningMean = Parameter([channels], .constant(0), isTrainable: false)
    runningVar = Parameter([channels], .constant(1), isTrainable: false)
    self.epsilon = epsilon
  }

  public func callAsFunction(
    _ x: Value, fileID: String = #fileID, line: Int = #line
  ) -> Value {
    let parameters = [weight, bias, runningMean, runningVar].map {
      $0.value(beside: x, fileID: fileID, line: line)
    }
    return x.tracer.record(
      BatchNormInference(epsilon: epsilon), [x] + parameters, like: x,
      name: x.tracer.layerName(of: weight), at: .place(fileID, line))
  }
}
