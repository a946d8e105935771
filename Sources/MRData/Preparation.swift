import Diagnostics
import Foundation
import Tensors

/// Makes a prepared set of scans, one scan in memory at a time.
public struct Preparation: Sendable {
  public var recipe = Reconstruction()
  /// Whether scans are cropped to the images' size before they are under-sampled, rather than the images after.
  public var cropsFirst = false
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
    Leftovers.add(temporary)
    defer { Leftovers.forget(temporary) }
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
      var error = error
      if let place = error.location, place.file.hasPrefix(temporary) {
        error.location?.file = directory + place.file.dropFirst(temporary.count)
      }
      throw error
    }
  }

  /// One frame as it is stored; nil where the zero-filled image is all one value.
  func pair(_ scan: Scan, _ masks: FrameMasks, frame: Int) throws(Diagnostic) -> PreparedPair? {
    let size = recipe.size ?? ImageSize(height: scan.rows, width: scan.columns)
    let mask = try masks.mask(frame: frame)
    let input = try ReconstructionFrame(
      try scan.kSpace(frame: frame), mask: mask, size: size, recipe: recipe)
    if recipe.images == .complex {
      return try complexPair(scan, input, mask, frame: frame, size)
    }
    let target = try Self.reference(scan, frame: frame, size: size, recipe: recipe)
    if recipe.images == .coils { return try coilPair(input, target, mask, size) }
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

  /// Real and imaginary part of the only coil's images; both scaled by the zero-filled one's greatest magnitude.
  private func complexPair(
    _ scan: Scan, _ input: ReconstructionFrame, _ mask: SamplingMask, frame: Int, _ size: ImageSize
  ) throws(Diagnostic) -> PreparedPair? {
    guard scan.coils == 1 else {
      throw Diagnostic(
        "images of 2 channels need one complex image, but the scan has \(scan.coils) coils",
        at: SourceLocation(file: scan.path),
        help: "prepare 1 channel, or combine the coils first")
    }
    let full = try SamplingPattern.none.mask(
      rows: scan.rows, columns: scan.columns, axis: recipe.axis)
    let target = try ReconstructionFrame(
      try scan.kSpace(frame: frame), mask: full, size: size, recipe: recipe)
    let scaling = input.scaling
    let shape = try Shape([2, size.height, size.width])
    let images = try [input, target].map { (image) throws(Diagnostic) in
      try Tensor(shape, try image.networkInput(.complex, scaling: scaling))
    }
    guard let greatest = input.magnitude.values.max(), greatest > 0, greatest.isFinite,
      images[1].values.allSatisfy({ $0.isFinite })
    else { return nil }
    return PreparedPair(
      input: images[0], target: images[1], scaling: scaling, targetScaling: scaling,
      keptShare: 1 / mask.trueAcceleration)
  }

  /// The coils' images and the fully sampled root sum of squares; both scaled by the zero-filled one's greatest value.
  private func coilPair(
    _ input: ReconstructionFrame, _ target: Tensor<Float>, _ mask: SamplingMask, _ size: ImageSize
  ) throws(Diagnostic) -> PreparedPair? {
    guard let greatest = input.magnitude.values.max(), greatest > 0, greatest.isFinite,
      target.values.allSatisfy({ $0.isFinite })
    else { return nil }
    let shape = try Shape([2 * input.coils, size.height, size.width])
    return PreparedPair(
      input: try Tensor(shape, try input.networkInput(.coils)),
      target: target.map(input.scaling.apply), scaling: input.scaling,
      targetScaling: input.scaling, keptShare: 1 / mask.trueAcceleration)
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

/// An input and its target: [row, column], or [channel, row, column] of several channels.
struct PreparedPair {
  let input: Tensor<Float>
  let target: Tensor<Float>
  let scaling: Scaling
  let targetScaling: Scaling
  /// Of the points of k-space.
  let keptShare: Double
}
