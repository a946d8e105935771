import Diagnostics
import Foundation
import HDF5
import Tensors

/// Makes a prepared set of scans, one scan in memory at a time.
public struct Preparation: Sendable {
  public var recipe = Reconstruction()
  public var reading = ScanOptions()
  public var split = SubjectSplit.seed(1)
  /// Training images to choose; nil takes all.
  public var trainImages: Int?
  public var seed: UInt64 = 1
  /// What the manifest calls the mask.
  public var maskText = "regular:4:22"

  public init() {}

  /// What is done: images looked at or written, and of how many, where that is known.
  public typealias Progress = (_ done: Int, _ total: Int?) -> Void

  /// Writes the folder, which must not be there yet; it appears complete or not at all.
  ///
  /// Throws where a scan cannot be read, is under-sampled itself, or a part would be empty.
  public func write(
    _ subjects: [Subject], to directory: String, progress: Progress = { _, _ in }
  ) throws(Diagnostic) -> PreparedManifest {
    let survey = try PreparationSurvey(subjects, self, progress: progress)
    let temporary = "\(directory).rephase-\(getpid()).tmp"
    do {
      try FileManager.default.createDirectory(
        atPath: temporary, withIntermediateDirectories: false)
    } catch {
      throw Diagnostic(
        "the folder of the set cannot be made", at: SourceLocation(file: directory),
        help: "check that its parent is there and may be written")
    }
    do throws(Diagnostic) {
      let manifest = try PreparationWriter(survey, self).write(to: temporary, progress: progress)
      guard rename(temporary, directory) == 0 else {
        throw Diagnostic(
          "the folder of the set is there already", at: SourceLocation(file: directory),
          help: "name another, or remove it")
      }
      return manifest
    } catch {
      try? FileManager.default.removeItem(atPath: temporary)
      throw error
    }
  }

  /// One frame as it is stored; nil where the zero-filled image is all one value.
  func pair(_ scan: Scan, _ masks: FrameMasks, frame: Int) throws(Diagnostic) -> PreparedPair? {
    let size = recipe.size ?? ImageSize(height: scan.rows, width: scan.columns)
    let mask = try masks.mask(frame: frame)
    let input = try ReconstructionFrame(
      try scan.kSpace(frame: frame), mask: mask, size: size, recipe: recipe)
    let target = try Self.reference(scan, frame: frame, size: size, recipe: recipe)
    guard let least = input.magnitude.values.min(), let greatest = input.magnitude.values.max(),
      greatest > least, greatest.isFinite, target.values.allSatisfy({ $0.isFinite })
    else { return nil }
    // Separate constants are the paper's literal reading; shared ones can be undone without a reference.
    let targetScaling =
      recipe.scaling == .minmax ? Scaling(mappingRangeOf: target.values) : input.scaling
    return PreparedPair(
      input: input.magnitude.map(input.scaling.apply), target: target.map(targetScaling.apply),
      scaling: input.scaling, targetScaling: targetScaling, keptShare: 1 / mask.trueAcceleration)
  }

  /// The fully sampled magnitude of a frame, cropped.
  static func reference(
    _ scan: Scan, frame: Int, size: ImageSize, recipe: Reconstruction
  ) throws(Diagnostic) -> Tensor<Float> {
    if case .images(let images) = scan.content {
      let count = scan.rows * scan.columns
      let part = Array(images.values[frame * count..<(frame + 1) * count])
      let image = try Tensor(try Shape([scan.rows, scan.columns]), part)
      return try Cropping.centre(image, to: size, padding: 0)
    }
    let images = try Fourier.inverse(try scan.kSpace(frame: frame))
    let combined = try recipe.combination.magnitude(images)
    return try Cropping.centre(combined, to: size, padding: 0).map { Float($0) }
  }
}

/// An input and its target, [row, column].
struct PreparedPair {
  let input: Tensor<Float>
  let target: Tensor<Float>
  let scaling: Scaling
  let targetScaling: Scaling
  /// Of the points of k-space.
  let keptShare: Double
}

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
    for (number, subject) in subjects.enumerated() {
      files.append([])
      for (index, path) in subject.scans.enumerated() {
        let scan = try Self.read(path, preparation)
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
            emptyFrames: empty))
      }
    }
    self.files = files
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
    return scan
  }

  /// Of the values, where a header stands beside them.
  private static func digest(_ path: String) throws(Diagnostic) -> String {
    try FileDigest.sha256(BARTFile.header(of: path)?.valuesPath ?? path)
  }
}

/// The second pass: reads the scans again and writes what was taken of them.
struct PreparationWriter {
  private let survey: PreparationSurvey
  private let preparation: Preparation

  init(_ survey: PreparationSurvey, _ preparation: Preparation) {
    self.survey = survey
    self.preparation = preparation
  }

  func write(
    to directory: String, progress: Preparation.Progress
  ) throws(Diagnostic) -> PreparedManifest {
    let path = directory + "/" + PreparedSet.imagesName
    let size = try self.size()
    var kept = 0.0
    let total = survey.taken.values.reduce(0) { $0 + $1.count }
    try HDF5Writer.write(to: path) { (writer) throws(Diagnostic) in
      var done = 0
      for part in PreparedSet.Part.allCases {
        guard let places = survey.taken[part], !places.isEmpty else { continue }
        try makeDatasets(writer, part, places, size)
        kept += try fill(writer, part, places, size) {
          done += 1
          progress(done, total)
        }
      }
    }
    let manifest = try self.manifest(size, trueAcceleration: Double(total) / kept, images: path)
    try AtomicFile.write(try manifest.json(), to: directory + "/" + PreparedSet.manifestName)
    return manifest
  }

  /// Writes a part's images one by one, then their constants; gives the sum of the shares of k-space kept.
  private func fill(
    _ writer: HDF5Writer, _ part: PreparedSet.Part, _ places: [PreparationSurvey.Place],
    _ size: [Int], done: () -> Void
  ) throws(Diagnostic) -> Double {
    var open = OpenScan(survey, preparation)
    var constants: [[Float]] = [[], [], [], []]
    var kept = 0.0
    let shape = try Shape([1, 1] + size)
    for (row, place) in places.enumerated() {
      let pair = try open.pair(place)
      try writer.write(pair.input.reshaped(shape), to: "\(part.rawValue)/input", at: row)
      try writer.write(pair.target.reshaped(shape), to: "\(part.rawValue)/target", at: row)
      for (index, value) in pair.constants.enumerated() { constants[index].append(value) }
      kept += pair.keptShare
      done()
    }
    for (name, values) in zip(["scale", "offset", "target_scale", "target_offset"], constants) {
      try writer.write(Tensor(Shape([values.count]), values), "\(part.rawValue)/\(name)")
    }
    return kept
  }

  /// [rows, columns] of all images: the recipe's, or that of the first scan.
  private func size() throws(Diagnostic) -> [Int] {
    if let size = preparation.recipe.size { return [size.height, size.width] }
    let scan = try PreparationSurvey.read(survey.subjects[0].scans[0], preparation)
    return [scan.rows, scan.columns]
  }

  private func makeDatasets(
    _ writer: HDF5Writer, _ part: PreparedSet.Part, _ places: [PreparationSurvey.Place],
    _ size: [Int]
  ) throws(Diagnostic) {
    try writer.group(part.rawValue)
    for name in ["input", "target"] {
      try writer.dataset("\(part.rawValue)/\(name)", [places.count, 1] + size)
    }
    try writer.write(places.map { Int32($0.subject) }, "\(part.rawValue)/subject")
    try writer.write(places.map { Int32($0.scan) }, "\(part.rawValue)/scan")
    try writer.write(places.map { Int32($0.frame) }, "\(part.rawValue)/frame")
  }

  private func manifest(
    _ size: [Int], trueAcceleration: Double, images: String
  ) throws(Diagnostic) -> PreparedManifest {
    let recipe = preparation.recipe
    let mask = try recipe.pattern.mask(rows: size[0], columns: size[1], axis: recipe.axis)
    let parts = PreparedSet.Part.allCases.map { part in
      (
        part.rawValue,
        PreparedManifest.Part(
          images: survey.taken[part]?.count ?? 0, available: survey.available[part] ?? 0)
      )
    }
    return PreparedManifest(
      shape: [1] + size, mask: preparation.maskText, axis: recipe.axis.rawValue,
      nominalAcceleration: mask.nominalAcceleration, trueAcceleration: trueAcceleration,
      scale: recipe.scaling.rawValue, combination: recipe.combination.rawValue,
      seed: preparation.seed,
      selection: preparation.trainImages == nil ? "all" : DiverseSelection.method,
      imagesSHA256: try FileDigest.sha256(images), parts: Dictionary(uniqueKeysWithValues: parts),
      subjects: zip(survey.subjects.indices, survey.subjects).map { index, subject in
        .init(name: subject.name, part: survey.parts[index], scans: survey.files[index])
      })
  }
}

/// The one scan that is in memory.
private struct OpenScan {
  private let survey: PreparationSurvey
  private let preparation: Preparation
  private var key: [Int] = []
  private var scan: Scan?
  private var masks: FrameMasks?

  init(_ survey: PreparationSurvey, _ preparation: Preparation) {
    self.survey = survey
    self.preparation = preparation
  }

  mutating func pair(_ place: PreparationSurvey.Place) throws(Diagnostic) -> PreparedPair {
    let path = survey.subjects[place.subject].scans[place.scan]
    if key != [place.subject, place.scan] {
      // The one before goes first.
      (scan, masks) = (nil, nil)
      scan = try PreparationSurvey.read(path, preparation)
      masks = try scan.map { (scan) throws(Diagnostic) in
        try FrameMasks(scan, preparation.recipe.pattern, preparation.recipe.axis)
      }
      key = [place.subject, place.scan]
    }
    guard let scan, let masks,
      let pair = try preparation.pair(scan, masks, frame: place.frame)
    else {
      throw Diagnostic(
        "the zero-filled image of frame \(place.frame) is all one value, or too large for float32",
        at: SourceLocation(file: path), help: "leave this scan out")
    }
    return pair
  }
}

extension PreparedPair {
  /// In the order of the datasets.
  fileprivate var constants: [Float] {
    [scaling.scale, scaling.offset, targetScaling.scale, targetScaling.offset]
  }
}
