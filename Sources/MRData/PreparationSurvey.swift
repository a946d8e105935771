import Diagnostics
import Foundation
import Tensors

/// The first pass: what there is, and which training images are taken.
struct PreparationSurvey {
  /// A frame that can be taken, in the order of subjects, scans, frames.
  struct Place: Hashable {
    var subject: Int
    var scan: Int
    var frame: Int
  }

  let subjects: [Subject]
  let parts: [PreparedSet.Part]
  let files: [[PreparedManifest.ScanFile]]
  /// The frames of each part that are written.
  let taken: [PreparedSet.Part: [Place]]
  let available: [PreparedSet.Part: Int]
  /// Of the first scan; where images of coils are prepared, of all scans.
  let coils: Int

  init(
    _ subjects: [Subject], _ preparation: Preparation, progress: Preparation.Progress
  ) throws(Diagnostic) {
    self.subjects = subjects
    parts = try preparation.split.parts(of: subjects)
    guard parts.contains(.train) else {
      throw Diagnostic("no subject is left for training", help: "give more subjects")
    }
    var selection = DiverseSelection()
    var found: [PreparedSet.Part: [Place]] = [:]
    var files: [[PreparedManifest.ScanFile]] = []
    var done = 0
    var coils: Int?
    for (number, subject) in subjects.enumerated() {
      files.append([])
      for (index, path) in subject.scans.enumerated() {
        let scan = try Self.read(path, preparation)
        if preparation.recipe.images == .coils, let coils, coils != scan.coils {
          throw Diagnostic(
            "the scan has \(scan.coils) coils, those before it \(coils)",
            at: SourceLocation(file: path), help: "prepare a set for each number of coils")
        }
        coils = coils ?? scan.coils
        var empty = 0
        for frame in 0..<scan.frames {
          let size = preparation.recipe.size ?? ImageSize(height: scan.rows, width: scan.columns)
          let image = try Preparation.reference(
            scan, frame: frame, size: size, recipe: preparation.recipe)
          done += 1
          progress(done, nil)
          guard let least = image.values.min(), image.values.contains(where: { $0 > least }) else {
            empty += 1
            continue
          }
          let part = parts[number]
          found[part, default: []].append(Place(subject: number, scan: index, frame: frame))
          if part == .train, preparation.trainImages != nil { selection.add(image) }
        }
        files[number].append(
          PreparedManifest.ScanFile(
            file: URL(fileURLWithPath: path).lastPathComponent,
            sha256: try Self.digest(path), format: scan.format.rawValue, frames: scan.frames,
            emptyFrames: empty, cineFrames: scan.cineFrames))
      }
    }
    self.files = files
    self.coils = coils ?? 1
    available = found.mapValues(\.count)
    if let count = preparation.trainImages, let train = found[.train] {
      found[.train] = selection.chosen(count, seed: preparation.seed).map { train[$0] }
    }
    guard found[.train]?.isEmpty == false else {
      throw Diagnostic("there are no training images", help: "give scans that are not all zero")
    }
    taken = found
  }

  /// Throws where a scan is under-sampled and so has no target.
  static func read(_ path: String, _ preparation: Preparation) throws(Diagnostic) -> Scan {
    let scan = try ScanReader.read(path, options: preparation.reading)
    guard scan.isFullySampled else {
      throw Diagnostic(
        "the scan is under-sampled itself, so that it has no reference to learn from",
        at: SourceLocation(file: path), help: "prepare fully sampled scans")
    }
    guard preparation.cropsFirst, let size = preparation.recipe.size else { return scan }
    return try scan.cropped(to: size)
  }

  /// Of the values, where a header stands beside them.
  private static func digest(_ path: String) throws(Diagnostic) -> String {
    try FileDigest.sha256(BARTFile.header(of: path)?.valuesPath ?? path)
  }
}
