import ComplexModule
import Diagnostics
import RealModule
import Tensors

/// A network as the reconstruction sees it: [batch, channel, row, column] to as many images of the same size.
public typealias NetworkFunction = (Tensor<Float>) throws(Diagnostic) -> Tensor<Float>

/// The way from a scan to images: under-sample, zero-fill, combine coils, crop, scale, network, scale back.
public struct Reconstruction: Sendable {
  public enum Consistency: String, Sendable, Hashable, CaseIterable {
    case none
    /// The kept k-space points are put back after the network, with the phase and coil shares of the zero-filled image.
    case hard
  }

  /// How lines that were left out are filled before coils are combined.
  public enum Method: String, Sendable, Hashable, CaseIterable {
    case zerofill
    /// From neighbouring lines of all coils; takes no network.
    case grappa
  }

  public var method = Method.zerofill
  public var grappa = GRAPPA()
  public var combination = CoilCombination.rss
  public var pattern = SamplingPattern.regular(every: 4, centre: 22, offset: 0)
  public var axis = PhaseAxis.columns
  /// The images' size; nil keeps that of the scan.
  public var size: ImageSize? = ImageSize(height: 192, width: 128)
  public var scaling = ScalingMode.input
  public var consistency = Consistency.none
  /// Frames that the network takes at once; the last batch is filled up by repeating its last frame.
  public var batch = 1
  /// Whether these frames are one volume to the network: they follow each other in one series and are scaled alike. The
  /// last volume of a series overlaps the one before where that does not end with it.
  public var takesVolumes = false
  /// What the network takes; complex images, also of coils, are scaled by the greatest magnitude.
  public var images = NetworkImages.magnitude
  /// How many coils' images the network takes, where it takes those.
  public var networkCoils: Int?
  /// What the network puts back itself; nil where it does not.
  public var networkLines: MeasuredLines?

  public init() {}

  /// Everything a reconstruction gives; images are [frame, row, column] in the scan's units.
  public struct Result: Sendable {
    public var zeroFilled: Tensor<Float>
    /// The network's or GRAPPA's; nil without either.
    public var output: Tensor<Float>?
    /// From all measured data; nil where the scan itself is under-sampled.
    public var reference: Tensor<Float>?
    /// The first frame's.
    public var mask: SamplingMask
    /// All points of k-space over those kept, of all frames together.
    public var trueAcceleration: Double
    /// One for each frame.
    public var scalings: [Scaling]

    /// The network's or GRAPPA's images, or the zero-filled ones where there is neither.
    public var images: Tensor<Float> { output ?? zeroFilled }
  }

  /// Reconstructs all frames; `progress` is told how many are done.
  public func run(
    _ scan: Scan, network: NetworkFunction? = nil, progress: (Int, Int) -> Void = { _, _ in }
  ) throws(Diagnostic) -> Result {
    try check(scan, hasNetwork: network != nil)
    let masks = try FrameMasks(scan, pattern, axis)
    var kept = 0
    let size = self.size ?? ImageSize(height: scan.rows, width: scan.columns)
    let hasReference = scan.isFullySampled
    var zeroFilled: [Float] = []
    var reference: [Float] = []
    var output: [Float] = []
    var scalings: [Scaling] = []
    var pending: [ReconstructionFrame] = []
    for index in 0..<scan.frames {
      let full = try scan.kSpace(frame: index)
      let mask = try masks.mask(frame: index)
      try networkLines?.check(mask, frame: index, size: size)
      kept += mask.keptCount
      let frame = try ReconstructionFrame(full, mask: mask, size: size, recipe: self)
      zeroFilled += frame.magnitude.values
      if hasReference {
        let images = try Fourier.inverse(full)
        reference += try frame.cropped(try combination.magnitude(images)).values
      }
      if method == .grappa { output += try frame.parallelImages(grappa, combination) }
      guard let network else {
        scalings.append(frame.scaling)
        progress(index + 1, scan.frames)
        continue
      }
      pending.append(frame)
      let count = framesDue(after: index, scan)
      guard count > 0 else { continue }
      let group = takesVolumes ? ReconstructionFrame.volume(pending.suffix(batch), self) : pending
      scalings += group.suffix(count).map(\.scaling)
      output += try infer(group, network).suffix(count * size.height * size.width)
      pending = takesVolumes ? pending.suffix(batch - 1) : []
      progress(index + 1, scan.frames)
    }
    let shape = try Shape([scan.frames, size.height, size.width])
    return Result(
      zeroFilled: try finite(try Tensor(shape, zeroFilled)),
      output: output.isEmpty ? nil : try Tensor(shape, output),
      reference: hasReference ? try finite(try Tensor(shape, reference)) : nil,
      mask: try masks.mask(frame: 0),
      trueAcceleration: Double(scan.frames * scan.rows * scan.columns) / Double(kept),
      scalings: scalings)
  }

  /// Frames that follow each other in what the network takes at once.
  private func series(_ scan: Scan) -> Int {
    takesVolumes ? scan.consecutiveFrames : scan.frames
  }

  /// How many frames, up to this one, the network is to make now.
  private func framesDue(after index: Int, _ scan: Scan) -> Int {
    let place = index % series(scan) + 1
    if place.isMultiple(of: batch) { return batch }
    return place == series(scan) ? place % batch : 0
  }

  private func check(_ scan: Scan, hasNetwork: Bool) throws(Diagnostic) {
    guard batch >= 1 else { throw Diagnostic("a batch of \(batch) holds no frame") }
    guard !takesVolumes || series(scan) >= batch else {
      throw Diagnostic(
        "the network takes volumes of \(batch) frames, but the scan has \(series(scan)) that follow each other",
        at: SourceLocation(file: scan.path), help: "use a network of so many frames")
    }
    guard !hasNetwork || method == .zerofill else {
      throw Diagnostic("GRAPPA takes no network", help: "choose one of the two")
    }
    if hasNetwork, images == .complex, scan.coils > 1 {
      throw Diagnostic(
        "a network of 2 channels needs one complex image, but the scan has \(scan.coils) coils",
        at: SourceLocation(file: scan.path),
        help: "use a network of 1 channel, or combine the coils first")
    }
    if hasNetwork, images == .coils { try checkCoils(scan) }
  }

  private func checkCoils(_ scan: Scan) throws(Diagnostic) {
    if let networkCoils, networkCoils != scan.coils {
      throw Diagnostic(
        "the network takes the images of \(networkCoils) coils, but the scan has \(scan.coils)",
        at: SourceLocation(file: scan.path),
        help: "use a network for \(scan.coils) (such as varnet with --set coils=\(scan.coils))")
    }
    guard combination == .rss else {
      throw Diagnostic(
        "the network gives the root sum of squares of its coils, not images of \(combination.rawValue) combination",
        help: "give --combine rss")
    }
  }

  private func infer(
    _ frames: [ReconstructionFrame], _ network: NetworkFunction
  ) throws(Diagnostic) -> [Float] {
    guard let last = frames.last else { return [] }
    let (height, width) = (last.magnitude.shape[0], last.magnitude.shape[1])
    let channels = images.inputChannels(coils: last.coils)
    let shape = try Shape([batch, channels, height, width])
    var input: [Float] = []
    input.reserveCapacity(shape.elementCount)
    for frame in frames { input += try frame.networkInput(images) }
    for _ in frames.count..<batch { input += try last.networkInput(images) }
    let result = try network(try Tensor(shape, input))
    guard result.shape.extents == [batch, images.outputChannels, height, width] else {
      throw Diagnostic(
        "the network made \(result.shape) of \(shape)",
        help: "a reconstruction network gives images of the size that it takes")
    }
    var output: [Float] = []
    let count = images.outputChannels * height * width
    for (index, frame) in frames.enumerated() {
      let part = result.values[index * count..<(index + 1) * count]
      output += try frame.images(fromNetwork: part, recipe: self)
    }
    return output
  }

  private func finite(_ images: Tensor<Float>) throws(Diagnostic) -> Tensor<Float> {
    guard images.values.allSatisfy({ $0.isFinite }) else {
      throw Diagnostic(
        "the scan's values are too large: its images do not fit float32",
        help: "divide the scan by its maximum")
    }
    return images
  }
}
