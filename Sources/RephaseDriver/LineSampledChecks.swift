import Diagnostics
import MRData
import Networks
import Training

extension LineSampledNetwork {
  /// What scans and training sets must have measured.
  func measuredLines() throws(Diagnostic) -> MeasuredLines {
    try MeasuredLines(mask.text, axis: mask.axis == .rows ? .rows : .columns)
  }

  /// Throws where training images would not have the lines that the network puts back.
  func check(sets paths: [String], _ augmentation: Augmentation) throws(Diagnostic) {
    guard !augmentation.flips else {
      throw Diagnostic(
        "--augment flip mirrors the measured lines, which \(name) puts back where they were",
        help: "use shift, which keeps them")
    }
    let lines = try measuredLines()
    for path in paths where PreparedSet.isPreparedSet(path) {
      try lines.check(try PreparedSet(path, verifying: false).manifest, at: path)
    }
  }
}
