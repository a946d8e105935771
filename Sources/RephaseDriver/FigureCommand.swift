import ArgumentParser
import Diagnostics
import Evaluation
import Foundation
import Tensors

struct FigureCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "figure",
    abstract: "Draw figures of images and measures as PNG or SVG, by the output's ending.",
    subcommands: [
      ComparisonFigure.self, ProfileFigure.self, CurvesFigure.self, BoxesFigure.self,
    ])
}

/// Where a figure goes.
struct FigureOutput: ParsableArguments {
  @Option(name: .shortAndLong, help: "The .png or .svg file to write.")
  var output: String

  func validate() throws {
    guard [".png", ".svg"].contains(where: output.lowercased().hasSuffix) else {
      throw ValidationError(
        "a figure is written as .png or .svg, which \(output) does not end with")
    }
  }
}

/// Named files on the command line.
struct NamedFiles: ParsableArguments {
  @Argument(help: "Files as NAME=PATH.")
  var files: [String]

  func validate() throws {
    if files.isEmpty { throw ValidationError("no file is given") }
  }

  /// Throws where two have the same name, which a figure could not tell apart.
  func parsed() throws -> [TechniqueImages] {
    let parsed = try UsageError.of { () throws(Diagnostic) in
      try files.map(TechniqueImages.parse)
    }
    var names: Set<String> = []
    for file in parsed where !names.insert(file.name).inserted {
      throw ValidationError("two files are named '\(file.name)'; give each its own NAME=PATH")
    }
    return parsed
  }

  /// Throws where one of them, or of `reference`, has other frames, rows or columns than the first.
  func images(
    reference: String? = nil
  ) throws -> (names: [String], series: [ImageStack], reference: ImageStack?) {
    let files = try parsed()
    let paths = files.map(\.path) + [reference].compactMap { $0 }
    let all = try paths.map { (path) throws(Diagnostic) in try ArrayFiles.images(path) }
    for (path, images) in zip(paths, all) where images.description != all[0].description {
      throw Diagnostic(
        "it has \(images.description), but \(paths[0]) has \(all[0].description)",
        at: SourceLocation(file: path), help: "all need the same frames, rows and columns")
    }
    return (
      files.map(\.name), Array(all.prefix(files.count)), reference == nil ? nil : all.last
    )
  }
}

struct ComparisonFigure: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "comparison",
    abstract: "Images side by side, with an enlarged part and maps of the error.",
    discussion: "With --reference each image has its SNR and SSIM (range: what is drawn white).")

  @OptionGroup var files: NamedFiles
  @OptionGroup var output: FigureOutput

  @Option(help: "The file of the true images.")
  var reference: String?

  @Option(help: "The frames, with commas between.")
  var frames = "0"

  @Option(help: "The part that is enlarged: upper left pixel and size, as ROW,COLUMN,HxW.")
  var inset: String?

  @Option(help: "With --reference: how much errors are amplified (default: 5).")
  var gain: Double?

  func validate() throws {
    try refuse(["--gain": gain != nil], without: "--reference", reference != nil)
    if let gain, !(gain > 0 && gain.isFinite) {
      throw ValidationError("--gain must be above 0, not \(gain)")
    }
  }

  func run() throws {
    let chosen = frames.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    guard !chosen.isEmpty, chosen.count <= 20, !chosen.contains(nil) else {
      throw ValidationError("--frames takes up to 20 numbers with commas between, not '\(frames)'")
    }
    let part = try inset.map(Self.parse)
    let (names, series, truth) = try files.images(reference: reference)
    var sheet = try ComparisonSheet(
      names: names, series: series, reference: truth, frames: chosen.compactMap { $0 })
    (sheet.inset, sheet.errorGain) = (part, gain ?? 5)
    try sheet.figure().write(to: output.output)
  }

  private static func parse(_ text: String) throws -> ComparisonSheet.Inset {
    let numbers = text.split(whereSeparator: { ",x".contains($0) }).map { Int($0) ?? -1 }
    guard numbers.count == 4, numbers.allSatisfy({ $0 >= 0 }), text.contains("x") else {
      throw ValidationError("--inset is ROW,COLUMN,HxW such as 60,30,64x64, not '\(text)'")
    }
    return .init(row: numbers[0], column: numbers[1], rows: numbers[2], columns: numbers[3])
  }
}

struct ProfileFigure: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "profile", abstract: "A line of cine series over time.")

  @OptionGroup var files: NamedFiles
  @OptionGroup var output: FigureOutput

  @Option(help: "The line, as row:N or column:N.")
  var line: String

  func run() throws {
    let parts = line.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, let index = Int(parts[1]), ["row", "column"].contains(parts[0]) else {
      throw ValidationError("--line is row:N or column:N, not '\(line)'")
    }
    let (names, series, _) = try files.images()
    try TemporalProfile.figure(
      names: names, series: series, line: parts[0] == "row" ? .row(index) : .column(index)
    ).write(to: output.output)
  }
}

struct CurvesFigure: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "curves",
    abstract: "Losses over training steps, from the logs of 'train --log'.",
    discussion: "Solid: the training loss; dashed: the validation loss where the log has it.")

  @OptionGroup var files: NamedFiles
  @OptionGroup var output: FigureOutput

  @Flag(help: "Draw the logarithm of the loss.")
  var log = false

  func run() throws {
    var curves: [Curves.Curve] = []
    for file in try files.parsed() {
      curves += try TrainingLog(try FileBytes.read(file.path), at: file.path).curves(file.name)
    }
    try Curves.figure(curves, vertical: "loss", isLogarithmic: log).write(to: output.output)
  }
}

struct BoxesFigure: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "boxes", abstract: "Box plots of the values in .npy files.")

  @OptionGroup var files: NamedFiles
  @OptionGroup var output: FigureOutput

  @Option(help: "What the values are, such as 'SNR (dB)'.")
  var label = ""

  func run() throws {
    let files = try files.parsed()
    let samples = try files.map { (file) throws(Diagnostic) in try ArrayFiles.sample(file.path) }
    try BoxPlot.figure(names: files.map(\.name), samples: samples, label: label)
      .write(to: output.output)
  }
}
