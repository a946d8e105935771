import Diagnostics
import Foundation
import MRData
import Tensors

/// The reconstruction of several scans as one, timed.
struct ReconWork {
  struct Done {
    var result: Reconstruction.Result
    /// A frame's, without the network.
    var zeroFillMilliseconds: Double
    /// A frame's; nil without a network.
    var networkMilliseconds: Double?
  }

  /// The network with a stopwatch.
  private final class TimedNetwork {
    private let function: NetworkFunction
    private(set) var milliseconds: [Double] = []

    init(_ function: @escaping NetworkFunction) { self.function = function }

    func run(_ input: Tensor<Float>) throws(Diagnostic) -> Tensor<Float> {
      let start = ContinuousClock.now
      let output = try function(input)
      milliseconds.append((ContinuousClock.now - start).milliseconds)
      return output
    }
  }

  private let recipe: Reconstruction
  private let network: ReconNetwork?

  init(_ recipe: Reconstruction, network: ReconNetwork?) {
    self.recipe = recipe
    self.network = network
  }

  /// Reconstructs the scans, of which there is at least one, frame after frame.
  func run(_ scans: [Scan], isQuiet: Bool) throws(Diagnostic) -> Done {
    let timed = network.map { TimedNetwork($0.function) }
    var function: NetworkFunction?
    if let timed { function = timed.run }
    let frames = scans.reduce(0) { $0 + $1.frames }
    try checkSize(frames: frames, scans[0])
    var progress = CountProgress(total: frames, isQuiet: isQuiet)
    defer { progress.close() }
    let start = ContinuousClock.now
    var results: [Reconstruction.Result] = []
    var before = 0
    for scan in scans {
      let result = try recipe.run(scan, network: function) { done, _ in
        progress.show(before + done)
      }
      results.append(result)
      before += scan.frames
    }
    let total = (ContinuousClock.now - start).milliseconds
    let result = try Self.joined(results)
    try check(result)
    let inNetwork = timed?.milliseconds ?? []
    return Done(
      result: result,
      zeroFillMilliseconds: (total - inNetwork.reduce(0, +)) / Double(frames),
      networkMilliseconds: network == nil
        ? nil : ReconReport.median(inNetwork) / Double(recipe.batch))
  }

  /// Pixels of all images together: 1 GiB of float32, several times of which is in memory.
  private static let maximumPixels = 1 << 28

  private func checkSize(frames: Int, _ scan: Scan) throws(Diagnostic) {
    let size = recipe.size ?? ImageSize(height: scan.rows, width: scan.columns)
    let pixels = try Shape([frames, size.height, size.width]).elementCount
    guard pixels <= Self.maximumPixels else {
      throw Diagnostic(
        "\(frames) images of \(size) are more than the \(Self.maximumPixels) pixels that are made at once",
        help: "give a smaller --size, or fewer scans or slices")
    }
  }

  /// One result with all frames; it has a reference where every scan has one.
  private static func joined(
    _ results: [Reconstruction.Result]
  ) throws(Diagnostic) -> Reconstruction.Result {
    var joined = results[0]
    if results.count == 1 { return joined }
    joined.zeroFilled = try self.joined(results.map(\.zeroFilled))
    let outputs = results.compactMap(\.output)
    joined.output = outputs.isEmpty ? nil : try self.joined(outputs)
    let references = results.compactMap(\.reference)
    joined.reference = references.count == results.count ? try self.joined(references) : nil
    joined.scalings = results.flatMap(\.scalings)
    let frames = results.map { Double($0.zeroFilled.shape[0]) }
    let kept = zip(frames, results).reduce(0) { $0 + $1.0 / $1.1.trueAcceleration }
    joined.trueAcceleration = frames.reduce(0, +) / kept
    return joined
  }

  private static func joined(_ images: [Tensor<Float>]) throws(Diagnostic) -> Tensor<Float> {
    let frames = images.reduce(0) { $0 + $1.shape[0] }
    let shape = try Shape([frames] + images[0].shape.extents.dropFirst())
    return try Tensor(shape, images.flatMap(\.values))
  }

  /// Throws where the network made numbers that are none.
  private func check(_ result: Reconstruction.Result) throws(Diagnostic) {
    guard let output = result.output,
      let index = output.values.firstIndex(where: { !$0.isFinite })
    else { return }
    let size = output.shape[1] * output.shape[2]
    throw Diagnostic(
      "the network's image of frame \(index / size) holds NaN or infinity",
      help: "check the model's weights")
  }
}
