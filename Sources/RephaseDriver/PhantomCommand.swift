import ArgumentParser
import Diagnostics
import Foundation
import MRData

struct PhantomCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "phantom",
    abstract: "Make a moving cardiac phantom: complex k-space, coil-combined, of a beating heart.",
    discussion:
      "The k-space is exact (ellipses have a closed form) and has a smooth phase. The file holds 'kspace', complex64 [frame, row, column]."
  )

  /// 1 GiB of k-space.
  private static let maximumPoints = 1 << 27

  @Option(help: "Frames over one beat.")
  var frames = 20

  @Option(help: "Rows of k-space.")
  var rows = 256

  @Option(help: "Columns of k-space.")
  var columns = 160

  @Option(help: "Standard deviation of the noise in each part (default: 0); blood has signal 0.95.")
  var noise: Double?

  @Option(help: "Of the noise (default: 1).")
  var seed: UInt64?

  @Option(name: .shortAndLong, help: "The .npz file to write.")
  var output: String

  func validate() throws {
    guard (1...10_000).contains(frames) else {
      throw ValidationError("--frames must lie between 1 and 10000, not \(frames)")
    }
    for (name, value) in [("rows", rows), ("columns", columns)]
    where !(8...4096).contains(value) {
      throw ValidationError("--\(name) must lie between 8 and 4096, not \(value)")
    }
    guard frames * rows * columns <= Self.maximumPoints else {
      throw ValidationError(
        "\(frames) frames of \(rows) x \(columns) are more than \(Self.maximumPoints) points; "
          + "lower --frames, --rows or --columns")
    }
    try refuse(["--seed": seed != nil], without: "--noise", noise != nil)
    if let noise, !Phantom.noises.contains(noise) {
      throw ValidationError("--noise must lie between 0 and 1e6, not \(noise)")
    }
    guard output.lowercased().hasSuffix(".npz") else {
      throw ValidationError("the phantom is written as .npz, which \(output) does not end with")
    }
  }

  func run() throws {
    var phantom = Phantom()
    phantom.frames = frames
    phantom.rows = rows
    phantom.columns = columns
    phantom.noise = noise ?? 0
    phantom.seed = seed ?? 1
    try phantom.write(to: output)
  }
}
