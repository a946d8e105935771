import Diagnostics

/// The residual network of Ghodrati et al. 2019 (ResNet_k[32,3]): a head, `k` residual blocks and a tail.
public struct ResNet: Network {
  let head: Conv2D
  let blocks: [ResidualBlock]
  let tail: Tail
  private let configuration: Configuration

  public struct Configuration: Hashable, Sendable {
    public var blocks = 4
    /// Channels between the layers.
    public var filters = 32
    /// Rows and columns of each kernel; odd.
    public var kernel = 3
    /// Image channels in and out: 1 for magnitude, 2 for real and imaginary part.
    public var channels = 1
    /// Whether the input is added to the output.
    public var residual = false

    public init() {}
  }

  public init(_ configuration: Configuration = Configuration()) {
    let (filters, kernel) = (configuration.filters, configuration.kernel)
    head = Conv2D(configuration.channels, filters, kernel: kernel)
    blocks = (0..<max(0, configuration.blocks)).map { _ in
      ResidualBlock(filters, kernel: kernel)
    }
    tail = Tail(filters, configuration.channels, kernel: kernel)
    self.configuration = configuration
  }

  public var name: String { "resnet\(configuration.blocks)" }
  public var inputChannels: Int { configuration.channels }
  public var identityParameters: [String] {
    configuration.residual ? ["tail.conv2.weight"] : []
  }
  public var settings: [Setting] {
    [
      Setting("blocks", configuration.blocks), Setting("channels", configuration.channels),
      Setting("filters", configuration.filters), Setting("kernel", configuration.kernel),
      Setting("residual", configuration.residual),
    ]
  }

  public func callAsFunction(_ x: Value) -> Value {
    var y = head(x)
    for block in blocks { y = block(y) }
    y = tail(y)
    return configuration.residual ? x.adding(y) : y
  }

  struct ResidualBlock: Sendable {
    let conv1: Conv2D
    let norm1: BatchNorm
    let conv2: Conv2D
    let norm2: BatchNorm

    init(_ filters: Int, kernel: Int) {
      conv1 = Conv2D(filters, filters, kernel: kernel)
      norm1 = BatchNorm(filters)
      conv2 = Conv2D(filters, filters, kernel: kernel)
      norm2 = BatchNorm(filters)
    }

    func callAsFunction(_ x: Value) -> Value {
      let y = norm1(conv1(x)).relu()
      return x + norm2(conv2(y))
    }
  }

  struct Tail: Sendable {
    let conv1: Conv2D
    let conv2: Conv2D

    init(_ filters: Int, _ channels: Int, kernel: Int) {
      conv1 = Conv2D(filters, filters, kernel: kernel)
      conv2 = Conv2D(filters, channels, kernel: kernel)
    }

    func callAsFunction(_ x: Value) -> Value { conv2(conv1(x).relu()) }
  }
}
