/// The U-Net of fastMRI (Zbontar et al. 2018, arXiv:1811.08839): convolutions without bias, each followed by instance
/// normalization and a leaky ReLU of slope 0.2, average pooling, transposed convolutions.
///
/// Layers are saved under the names of `fastmri.models.Unet`. Height and width of the images must be multiples of
/// 2^pools, and more than one pixel must be left after the last pooling.
public struct InstanceNormUNet: Sendable, SavedUnderOtherNames {
  public static let savedNames = [
    "down": "down_sample_layers", "bottom": "conv", "enlarging": "up_transpose_conv",
    "up": "up_conv",
  ]

  let down: [Stage]
  let bottom: Stage
  let enlarging: [Enlargement]
  let up: [UpStage]

  /// `filters` are the channels of the first stage; each pooling doubles them. There is at least one.
  public init(_ inputs: Int, _ outputs: Int, filters: Int, pools: Int) {
    let widths = (0..<max(1, pools)).map { filters << $0 }
    down = zip([inputs] + widths, widths).map { Stage($0, $1) }
    bottom = Stage(widths[widths.count - 1], filters << widths.count)
    enlarging = widths.reversed().map { Enlargement(2 * $0, $0) }
    up = widths.reversed().map { width in
      let stage = Stage(2 * width, width)
      return width == filters ? .last(LastStage(stage, outputs, filters)) : .stage(stage)
    }
  }

  public func callAsFunction(_ x: Value) -> Value {
    var (y, skips): (Value, [Value]) = (x, [])
    for stage in down {
      let fine = stage(y)
      skips.append(fine)
      y = fine.averagePooled()
    }
    y = bottom(y)
    for (enlargement, stage) in zip(enlarging, up) {
      let skip = skips.removeLast()
      y = stage(enlargement(y).concatenated(with: skip))
    }
    return y
  }

  /// Two convolutions.
  struct Stage: Sendable, SavedUnderOtherNames {
    static let savedNames = ["first": "layers.0", "second": "layers.4"]
    let first: Conv2D
    let second: Conv2D

    init(_ inputs: Int, _ outputs: Int) {
      first = Conv2D(inputs, outputs, bias: false)
      second = Conv2D(outputs, outputs, bias: false)
    }

    func callAsFunction(_ x: Value) -> Value {
      let y = InstanceNorm()(first(x)).leakyReLU(0.2)
      return InstanceNorm()(second(y)).leakyReLU(0.2)
    }
  }

  /// Twice as many rows and columns.
  struct Enlargement: Sendable, SavedUnderOtherNames {
    static let savedNames = ["layer": "layers.0"]
    let layer: ConvTranspose2D

    init(_ inputs: Int, _ outputs: Int) { layer = ConvTranspose2D(inputs, outputs, bias: false) }

    func callAsFunction(_ x: Value) -> Value { InstanceNorm()(layer(x)).leakyReLU(0.2) }
  }

  /// A stage, the last one with a 1x1 convolution.
  enum UpStage: Sendable {
    case stage(Stage)
    case last(LastStage)

    func callAsFunction(_ x: Value) -> Value {
      switch self {
      case .stage(let stage): return stage(x)
      case .last(let last): return last.out(last.stage(x))
      }
    }
  }

  struct LastStage: Sendable, SavedUnderOtherNames {
    static let savedNames = ["stage": "0", "out": "1"]
    let stage: Stage
    let out: Conv2D

    /// The last kernel starts as in PyTorch: that of Glorot makes corrections as large as the image, which a dozen of
    /// cascades amplify, with all rounding, without end.
    init(_ stage: Stage, _ outputs: Int, _ filters: Int) {
      self.stage = stage
      out = Conv2D(filters, outputs, kernel: 1, initializer: .fanInUniform)
    }
  }
}
