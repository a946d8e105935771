import Diagnostics
import MRData
import Networks
import Tensors
import Training

extension ModelDescription {
  /// What scans must have measured that a library or dump of `path` reconstructs; nil where it puts no lines back.
  ///
  /// Throws, with the path, where the settings are not those of a network of this name.
  func measuredLines(_ path: String?) throws(Diagnostic) -> MeasuredLines? {
    guard Zoo.contains(network) else { return nil }
    do throws(Diagnostic) {
      let network = try Zoo.network(named: network, settings: settings)
      return try (network as? any LineSampledNetwork)?.measuredLines()
    } catch { throw error.located(at: path.map { SourceLocation(file: $0) }) }
  }
}

extension LineSampledNetwork {
  /// What scans and training sets must have measured.
  func measuredLines() throws(Diagnostic) -> MeasuredLines {
    try MeasuredLines(mask.text, axis: mask.axis == .rows ? .rows : .columns)
  }

  /// Throws where training images would not keep the lines that the network puts back.
  func check(_ augmentation: Augmentation) throws(Diagnostic) {
    guard !augmentation.flips else {
      throw Diagnostic(
        "--augment flip mirrors the measured lines, which \(name) puts back where they were",
        help: "use shift, which keeps them")
    }
  }

  /// Throws where prepared sets do not have them.
  func check(sets paths: [String]) throws(Diagnostic) {
    let lines = try measuredLines()
    for path in paths where PreparedSet.isPreparedSet(path) {
      try lines.check(try PreparedSet(path, verifying: false).manifest, at: path)
    }
  }
}
