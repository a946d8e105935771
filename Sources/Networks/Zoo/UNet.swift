import Diagnostics

/// The U-Net that Ghodrati et al. 2019 compare with: two poolings, nearest enlargement, no batch normalization.
public struct UNet: Network {
  let down1: Stage
  let down2: Stage
  let bottom: Stage
  let up2: Stage
  let up1: Stage
  let out: Conv2D
  private let configuration: Configuration

  public struct Configuration: Hashable, Sendable {
    /// Channels of the first stage; the others have twice and four times as many.
    public var filters = 64
    /// Image channels in and out: 1 for magnitude, 2 for real and imaginary part.
    public var channels = 1
    /// Whether the input is added to the output.
    public var residual = false

    public init() {}
  }

  public init(_ configuration: Configuration = Configuration()) {
    let (channels, width) = (configuration.channels, configuration.filters)
    down1 = Stage(channels, width, width)
    down2 = Stage(width, 2 * width, 2 * width)
    bottom = Stage(2 * width, 4 * width, 2 * width)
    up2 = Stage(4 * width, 2 * width, width)
    up1 = Stage(2 * width, width, width)
    out = Conv2D(width, channels, kernel: 1)
    self.configuration = configuration
  }

  public var name: String { "unet" }
  public var inputChannels: Int { configuration.channels }
  public var identityParameters: [String] { configuration.residual ? ["out.weight"] : [] }
  public var settings: [Setting] {
    [
      Setting("channels", configuration.channels), Setting("filters", configuration.filters),
      Setting("residual", configuration.residual),
    ]
  }

  /// The image is halved twice and must come back to its size.
  public func check(height: Int, width: Int) throws(Diagnostic) {
    guard height % 4 == 0, width % 4 == 0 else {
      let next = "\(Self.nextMultiple(height))x\(Self.nextMultiple(width))"
      throw Diagnostic(
        "the U-Net takes images whose height and width are multiples of 4, not \(height)x\(width)",
        help: "pad the images to \(next)")
    }
  }

  /// The next multiple of 4, for any number.
  private static func nextMultiple(_ extent: Int) -> Int {
    let below = extent / 4 * 4
    return below == extent || below > .max - 4 ? below : below + 4
  }

  public func callAsFunction(_ x: Value) -> Value {
    let fine = down1(x)
    let coarse = down2(fine.maxPooled())
    var y = bottom(coarse.maxPooled())
    y = up2(y.upsampled().concatenated(with: coarse))
    y = up1(y.upsampled().concatenated(with: fine))
    y = out(y)
    return configuration.residual ? x.adding(y) : y
  }

  /// Two convolutions with ReLU.
  struct Stage: Sendable {
    let conv1: Conv2D
    let conv2: Conv2D

    init(_ inputs: Int, _ middle: Int, _ outputs: Int) {
      conv1 = Conv2D(inputs, middle)
      conv2 = Conv2D(middle, outputs)
    }

    func callAsFunction(_ x: Value) -> Value { conv2(conv1(x).relu()).relu() }
  }
}
