import ArgumentParser
import Diagnostics
import Foundation
import MRData

struct PrepareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prepare",
    abstract: "Make a data set for training: under-sample, zero-fill, scale, split by subject.",
    discussion: """
      DATA are scans or folders of scans. A file is a subject of its name; in a folder, each file is \
      one, and each folder inside is one with all its files. No subject is in two parts. The set is a \
      folder with images.h5 and manifest.json; one scan at a time is in memory.
      """)

  @Argument(help: "Scans and folders of scans, all fully sampled.")
  var data: [String]

  @Option(name: .shortAndLong, help: "The folder of the set, which must not be there yet.")
  var output: String

  @Option(help: "\(SamplingPattern.help).")
  var mask = "regular:4:22"

  @Option(help: "The phase-encoding axis that is under-sampled: rows or columns.")
  var axis: PhaseAxis = .columns

  @Option(help: "The images' size, as HxW: cropped or padded.")
  var size = SizeOption(ImageSize(height: 192, width: 128))

  @Option(
    help:
      "Crop to the images' size before a scan is under-sampled, as if its field of view had been that, or after."
  )
  var crop: CropTime = .after

  @Option(
    help:
      "input (targets share the zero-filled image's constants), minmax (each by its own), percentile or none."
  )
  var scale: ScalingMode = .input

  @Option(
    help:
      "1: magnitudes; 2: real and imaginary part, of scans with one coil; coils: real and imaginary part of each coil, to learn their root sum of squares."
  )
  var channels: ChannelsOption = .one

  @Option(help: "A subject for validation; may be repeated. All not named are for training.")
  var validation: [String] = []

  @Option(help: "A subject for test; may be repeated.")
  var test: [String] = []

  @Option(help: "Training images to choose for diversity; all unless given.")
  var trainImages: Int?

  @Option(help: "Of the split, where no subjects are named, and of the choice of images.")
  var seed: UInt64 = 1

  @OptionGroup var reading: ScanReadOptions

  @Flag(help: "Print the manifest.")
  var json = false

  @Flag(help: "No progress.")
  var quiet = false

  func validate() throws {
    try Output.refuseStandard(output, of: "-o")
    if let trainImages, trainImages < 1 {
      throw ValidationError("--train-images must be at least 1, not \(trainImages)")
    }
    guard channels == .one || scale == .input || scale == .none else {
      throw ValidationError(
        "complex images are scaled by their greatest magnitude (--scale input) or not (none), so --channels \(channels.rawValue) takes no \(scale)"
      )
    }
    do { _ = try SamplingPattern(parsing: mask) } catch {
      throw ValidationError("\(error.message); \(error.help ?? "")")
    }
  }

  func run() throws {
    guard !FileManager.default.fileExists(atPath: output) else {
      throw Diagnostic(
        "the folder of the set is there already", at: SourceLocation(file: output),
        help: "name another, or remove it")
    }
    let subjects = try Subject.find(data)
    let preparation = try self.preparation()
    var progress = PrepareProgress(isQuiet: quiet)
    let manifest = try preparation.write(subjects, to: output) { progress.show($0, of: $1) }
    if json { try Console.json(manifest) } else { print(summary(manifest)) }
  }

  private func preparation() throws(Diagnostic) -> Preparation {
    var preparation = Preparation()
    preparation.recipe.pattern = try SamplingPattern(parsing: mask)
    preparation.recipe.axis = axis
    preparation.recipe.size = size.size
    preparation.recipe.scaling = scale
    preparation.recipe.images = channels.images
    preparation.cropsFirst = crop == .before
    preparation.reading = try reading.options()
    let isNamed = !validation.isEmpty || !test.isEmpty
    preparation.split = isNamed ? .given(validation: validation, test: test) : .seed(seed)
    preparation.trainImages = trainImages
    preparation.seed = seed
    preparation.maskText = mask
    return preparation
  }

  private func summary(_ manifest: PreparedManifest) -> String {
    let nominal = manifest.nominalAcceleration.map { String(format: "nominal %.0f, ", $0) } ?? ""
    var lines = [
      "\(output): images of \(size.size), \(mask) along \(axis.rawValue), acceleration \(nominal)"
        + String(format: "true %.2f", manifest.trueAcceleration)
    ]
    for part in PreparedSet.Part.allCases {
      guard let found = manifest.parts[part.rawValue] else { continue }
      let names = manifest.subjects.filter { $0.part == part }.map(\.name)
      let of = found.images < found.available ? " of \(found.available)" : ""
      lines.append("\(part.rawValue): \(found.images)\(of) images of \(names.count) subjects")
    }
    return lines.joined(separator: "\n")
  }
}

/// What pairs are made of.
enum ChannelsOption: String, ExpressibleByArgument, CaseIterable {
  case one = "1"
  case two = "2"
  case coils

  var images: NetworkImages {
    switch self {
    case .one: return .magnitude
    case .two: return .complex
    case .coils: return .coils
    }
  }

  /// Channels of an image; nil where the scans say how many.
  var count: Int? { Int(rawValue) }
}

/// Two passes: looking at all images, then writing and the sum of what was written.
private struct PrepareProgress {
  private let isQuiet: Bool
  private var writing: CountProgress?
  private var lastLine = ContinuousClock.now

  init(isQuiet: Bool) { self.isQuiet = isQuiet }

  mutating func show(_ done: Int, of total: Int?) {
    guard let total else {
      // Large images take long each, small ones are many.
      guard ContinuousClock.now - lastLine >= .seconds(2) else { return }
      lastLine = .now
      return Console.progress("looked at \(done) images", quiet: isQuiet)
    }
    if writing == nil { writing = CountProgress(total: total, isQuiet: isQuiet) }
    writing?.show(done)
    guard done == total else { return }
    writing?.close()
    Console.progress("computing the checksum", quiet: isQuiet)
  }
}
