import Diagnostics
import Foundation
import HDF5
import Tensors

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
    for (row, place) in places.enumerated() {
      let pair = try open.pair(place)
      for (name, image) in [("input", pair.input), ("target", pair.target)] {
        let shape = try Shape([1, channels(name)] + size)
        try writer.write(image.reshaped(shape), to: "\(part.rawValue)/\(name)", at: row)
      }
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

  /// Of images in the dataset `input` or `target`.
  private func channels(_ name: String) -> Int {
    let images = preparation.recipe.images
    return name == "input" ? images.inputChannels(coils: survey.coils) : images.outputChannels
  }

  private func makeDatasets(
    _ writer: HDF5Writer, _ part: PreparedSet.Part, _ places: [PreparationSurvey.Place],
    _ size: [Int]
  ) throws(Diagnostic) {
    try writer.group(part.rawValue)
    for name in ["input", "target"] {
      try writer.dataset(
        "\(part.rawValue)/\(name)", [places.count, channels(name)] + size)
    }
    try writer.write(places.map { Int32($0.subject) }, "\(part.rawValue)/subject")
    try writer.write(places.map { Int32($0.scan) }, "\(part.rawValue)/scan")
    try writer.write(places.map { Int32($0.frame) }, "\(part.rawValue)/frame")
  }

  private func manifest(
    _ size: [Int], trueAcceleration: Double, images: String
  ) throws(Diagnostic) -> PreparedManifest {
    let recipe = preparation.recipe
    let parts = PreparedSet.Part.allCases.map { part in
      (
        part.rawValue,
        PreparedManifest.Part(
          images: survey.taken[part]?.count ?? 0, available: survey.available[part] ?? 0)
      )
    }
    return PreparedManifest(
      shape: [channels("input")] + size,
      targetChannels: channels("target") == channels("input") ? nil : channels("target"),
      mask: preparation.maskText, axis: recipe.axis.rawValue,
      crop: (preparation.cropsFirst ? CropTime.before : .after).rawValue,
      nominalAcceleration: recipe.pattern.nominalAcceleration, trueAcceleration: trueAcceleration,
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
