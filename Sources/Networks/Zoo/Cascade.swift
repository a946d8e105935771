import Diagnostics

/// The deep cascade of Schlemper et al. 2018, IEEE TMI 37(2):491: `cascades` times five convolutions that correct the
/// image (D5) and the measured k-space put back (C5 for five).
///
/// Its input is the zero-filled image, real and imaginary part, whose k-space is what was measured.
public struct Cascade: LineSampledNetwork {
  let cascades: [Subnetwork]
  private let consistency: DataConsistency
  private let configuration: Configuration

  public struct Configuration: Hashable, Sendable {
    public var cascades = 5
    /// Channels between the convolutions; the paper has 64.
    public var filters = 32
    public var mask: LineMask

    public init(mask: LineMask) { self.mask = mask }
  }

  public init(_ configuration: Configuration) {
    cascades = (0..<max(0, configuration.cascades)).map { _ in Subnetwork(configuration.filters) }
    consistency = DataConsistency(configuration.mask)
    self.configuration = configuration
  }

  /// The lines that the network takes as measured.
  public var mask: LineMask { configuration.mask }
  public var name: String { "cascade\(configuration.cascades)" }
  public var inputChannels: Int { 2 }
  public var identityParameters: [String] {
    cascades.indices.map { "cascades.\($0).conv5.weight" }
  }
  public var settings: [Setting] {
    [
      Setting("axis", mask.axis.rawValue), Setting("filters", configuration.filters),
      Setting("mask", mask.text),
    ]
  }

  public func check(height: Int, width: Int) throws(Diagnostic) {
    try mask.check(lines: mask.axis == .rows ? height : width)
  }

  public func callAsFunction(_ x: Value) -> Value {
    cascades.reduce(x) { y, subnetwork in consistency(subnetwork(y), measured: x) }
  }

  /// What it adds to the image is what the convolutions make of it.
  struct Subnetwork: Sendable {
    let conv1: Conv2D
    let conv2: Conv2D
    let conv3: Conv2D
    let conv4: Conv2D
    let conv5: Conv2D

    init(_ filters: Int) {
      conv1 = Conv2D(2, filters)
      conv2 = Conv2D(filters, filters)
      conv3 = Conv2D(filters, filters)
      conv4 = Conv2D(filters, filters)
      conv5 = Conv2D(filters, 2)
    }

    func callAsFunction(_ x: Value) -> Value {
      let y = conv2(conv1(x).relu()).relu()
      return x + conv5(conv4(conv3(y).relu()).relu())
    }
  }
}
