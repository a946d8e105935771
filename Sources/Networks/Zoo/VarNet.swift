import Diagnostics

/// The end-to-end variational network for several coils of Sriram et al. 2020 (MICCAI; arXiv:2004.06688): sensitivities
/// estimated from the central lines, then `cascades` times soft data consistency and a correction by a U-Net.
///
/// Its input are zero-filled images of coils, [N, 2C, H, W], real and imaginary part of each coil, whose k-space is what
/// was measured; its output is their root sum of squares, [N, 1, H, W]. Layers are saved under the names of
/// `fastmri.models.VarNet`. The image may have any scale: all is divided by it and multiplied again.
public struct VarNet: LineSampledNetwork, SavedUnderOtherNames {
  public static let savedNames = ["sensitivities": "sens_net"]

  let sensitivities: SensitivityModel
  let cascades: [Block]
  private let configuration: Configuration

  public struct Configuration: Hashable, Sendable {
    public var coils = 4
    public var cascades = 12
    /// Channels of the first stage of the U-Nets, which each of the `pools` doubles.
    public var filters = 18
    public var pools = 4
    /// The same of the U-Net that estimates sensitivities.
    public var sensitivityFilters = 8
    public var sensitivityPools = 4
    public var mask: LineMask

    public init(mask: LineMask) { self.mask = mask }
  }

  public init(_ configuration: Configuration) {
    self.configuration = configuration
    sensitivities = SensitivityModel(configuration)
    cascades = (0..<max(0, configuration.cascades)).map { _ in Block(configuration) }
  }

  /// The lines that the network takes as measured.
  public var mask: LineMask { configuration.mask }
  public var coils: Int { configuration.coils }
  public var name: String { "varnet" }
  public var inputChannels: Int { 2 * configuration.coils }
  public var settings: [Setting] {
    [
      Setting("axis", mask.axis.rawValue), Setting("cascades", configuration.cascades),
      Setting("coils", configuration.coils), Setting("filters", configuration.filters),
      Setting("mask", mask.text), Setting("pools", configuration.pools),
      Setting("sens_filters", configuration.sensitivityFilters),
      Setting("sens_pools", configuration.sensitivityPools),
    ]
  }

  public func check(height: Int, width: Int) throws(Diagnostic) {
    try mask.check(lines: mask.axis == .rows ? height : width)
    try sensitivities.unet.check(height: height, width: width)
    for cascade in cascades.prefix(1) { try cascade.unet.check(height: height, width: width) }
  }

  public func callAsFunction(_ x: Value) -> Value {
    let measured = x.coilsAsBatch()
    let maps = sensitivities(measured)
    let images = cascades.reduce(measured) { $1($0, measured: measured, maps) }
    return images.batchAsCoils(coils).rootSumOfSquares()
  }

  /// Sensitivities of coils, [N C, 2, H, W], whose squares add up to 1, from their images.
  struct SensitivityModel: Sendable, SavedUnderOtherNames {
    static let savedNames = ["unet": "norm_unet"]
    let unet: NormUNet
    private let mask: LineMask
    private let coils: Int

    init(_ configuration: Configuration) {
      unet = NormUNet(
        filters: configuration.sensitivityFilters, pools: configuration.sensitivityPools)
      (mask, coils) = (configuration.mask, configuration.coils)
    }

    func callAsFunction(
      _ measured: Value, fileID: String = #fileID, line: Int = #line
    ) -> Value {
      let place = SourceLocation.place(fileID, line)
      return unet(mask.calibrationPart(of: measured, at: place)).normalizedOverCoils(coils)
    }
  }

  /// One step: x - w F^-1 m F (x - measured) - E U(R x), where R combines the coils' images, U corrects that image and E
  /// gives each coil its part.
  struct Block: Sendable, SavedUnderOtherNames {
    static let savedNames = ["weight": "dc_weight", "unet": "model"]
    let weight: Parameter
    let unet: NormUNet
    private let consistency: DataConsistency
    private let coils: Int

    init(_ configuration: Configuration) {
      weight = Parameter([1], .constant(1))
      unet = NormUNet(filters: configuration.filters, pools: configuration.pools)
      consistency = DataConsistency(configuration.mask)
      coils = configuration.coils
    }

    func callAsFunction(_ x: Value, measured: Value, _ sensitivities: Value) -> Value {
      let correction = unet(x.combinedCoils(sensitivities, coils: coils))
      return consistency(x, measured: measured, weight: weight.value(beside: x))
        - correction.expandedToCoils(sensitivities)
    }
  }
}
