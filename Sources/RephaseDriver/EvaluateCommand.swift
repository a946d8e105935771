import ArgumentParser
import Diagnostics
import Evaluation
import MRData

/// `--data-range`: a number whose square is one too, or `reference`.
struct DataRangeOption: ExpressibleByArgument {
  let range: Scores.DataRange

  init(_ range: Scores.DataRange) { self.range = range }

  init?(argument: String) {
    if argument == "reference" {
      range = .referenceMaximum
      return
    }
    guard let value = Double(argument), (1e-100...1e100).contains(value) else { return nil }
    range = .value(value)
  }

  var defaultValueDescription: String { "1" }
}

extension PreparedSet.Part: ExpressibleByArgument {}

struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Measure images against their reference, or trained networks on a prepared set.",
    discussion: """
      With --reference and --image: SNR, SSIM, PSNR and NMSE of each frame. Images are [row, column], [frame, row, \
      column] or [frame, channel, row, column] in .npy or .npz files, or scans of any format. SNR is \
      20 log10(|y|/|y-x|); SSIM has 3x3 windows. In JSON an infinite value is the text "inf" (or "-inf"), an \
      undefined one "nan": a perfect image has SNR "inf".

      With --set, --models and -o: quartiles for each network and loss, tests of normality, paired comparisons, box \
      plots, images and training curves as report.html, with tables as CSV and LaTeX, figures as PNG and SVG, and \
      results.json beside it.
      """)

  @Option(help: "The file of the true images.")
  var reference: String?

  @Option(help: "The file of the images to be judged.")
  var image: String?

  @Option(
    help:
      "The range of the data for PSNR and SSIM: a number (default: 1), or 'reference' for its maximum."
  )
  var dataRange: DataRangeOption?

  @Flag(help: "Add the SNR after the best affine fit to the JSON.")
  var regressed = false

  @Option(help: "A prepared set.")
  var set: String?

  @Option(
    parsing: .upToNextOption,
    help: "Runs of 'train', or weight files that name their network.")
  var models: [String] = []

  @Option(help: "The set's part: train, validation or test (the default).")
  var part: PreparedSet.Part?

  @Option(name: .shortAndLong, help: "The directory of the set's report.")
  var output: String?

  @Flag(help: "As JSON.")
  var json = false

  @Flag(help: "No progress.")
  var quiet = false

  private struct Report: Encodable {
    var snr: [Double]
    var regressedSNR: [Double]?
    var ssim: [Double]
    var psnr: [Double]
    var nmse: [Double]

    enum CodingKeys: String, CodingKey {
      case ssim, nmse
      case snr = "snr_db"
      case regressedSNR = "regressed_snr_db"
      case psnr = "psnr_db"
    }
  }

  func validate() throws {
    try Output.refuseStandard(output, of: "-o")
    try refuse(
      ["--data-range": dataRange != nil, "--regressed": regressed],
      without: "--reference and --image", set == nil)
    try refuse(["--part": part != nil], without: "--set", set != nil)
    if set != nil {
      guard reference == nil, image == nil else {
        throw ValidationError("give --set and --models, or --reference and --image, not both")
      }
      if models.isEmpty { throw ValidationError("--set needs --models, the networks to evaluate") }
      if output == nil { throw ValidationError("--set needs -o, the directory of the report") }
      return
    }
    guard models.isEmpty, output == nil else {
      throw ValidationError("--models and -o go with --set")
    }
    if reference == nil { throw ValidationError("--reference is missing, or --set") }
    if image == nil { throw ValidationError("--image is missing") }
  }

  func run() throws {
    if let set, let output { return try evaluate(set: set, into: output) }
    guard let reference, let image else { return }
    let truth = try ArrayFiles.images(reference)
    let images = try ArrayFiles.images(image)
    let choice = dataRange?.range ?? .value(1)
    let range = try Self.locating(reference) { () throws(Diagnostic) in
      try choice.value(for: truth)
    }
    let scores = try Self.locating(image) { () throws(Diagnostic) in
      try Scores(images, reference: truth, dataRange: .value(range))
    }
    if json {
      try Console.json(
        Report(
          snr: scores.snr, regressedSNR: regressed ? scores.regressedSNR : nil, ssim: scores.ssim,
          psnr: scores.psnr, nmse: scores.nmse))
    } else {
      print(Self.table(scores))
    }
  }

  /// What is wrong is said of a file.
  private static func locating<Result>(
    _ path: String, _ work: () throws(Diagnostic) -> Result
  ) throws(Diagnostic) -> Result {
    do throws(Diagnostic) { return try work() } catch {
      throw error.located(at: SourceLocation(file: path))
    }
  }

  private func evaluate(set: String, into output: String) throws {
    let evaluation = try SetEvaluation(set: set, part: part ?? .test, runs: models, isQuiet: quiet)
    let study = try evaluation.write(to: output)
    if json { return print(try study.json(), terminator: "") }
    for measure in Study.measures.prefix(2) {
      let table = study.quartiles(measure)
      var text = TextTable(header: [measure.name] + table.header.dropFirst())
      for row in table.rows { text.add(row) }
      print("\(text)\n")
    }
    print("\(output)/report.html has the rest")
  }

  private static func table(_ scores: Scores) -> TextTable {
    var table = TextTable(
      header: ["\(scores.snr.count) frames", "min", "q1", "median", "q3", "max"])
    let rows = [
      ("SNR (dB)", scores.snr, 2), ("regressed SNR (dB)", scores.regressedSNR, 2),
      ("SSIM", scores.ssim, 4), ("PSNR (dB)", scores.psnr, 2), ("NMSE", scores.nmse, 5),
    ]
    for (name, values, digits) in rows {
      table.add([name] + Quartiles(values).all.map { TableText.number($0, digits) })
    }
    return table
  }
}
