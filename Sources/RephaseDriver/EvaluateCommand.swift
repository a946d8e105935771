import ArgumentParser
import Diagnostics
import Evaluation

/// `--data-range`: a number above zero, or `reference`.
struct DataRangeOption: ExpressibleByArgument {
  let range: Scores.DataRange

  init(_ range: Scores.DataRange) { self.range = range }

  init?(argument: String) {
    if argument == "reference" {
      range = .referenceMaximum
      return
    }
    guard let value = Double(argument), value > 0, value.isFinite else { return nil }
    range = .value(value)
  }

  var defaultValueDescription: String { "1" }
}

struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Measure images against their reference: SNR, SSIM, PSNR and NMSE of each frame.",
    discussion: """
      Images are [row, column], [frame, row, column] or [frame, channel, row, column] in .npy or .npz files. SNR is \
      20 log10(|y|/|y-x|); SSIM has 3x3 windows. In JSON an infinite value is the text "inf" (or "-inf"), an \
      undefined one "nan": a perfect image has SNR "inf".
      """)

  @Option(help: "The file of the true images.")
  var reference: String

  @Option(help: "The file of the images to be judged.")
  var image: String

  @Option(
    help: "The range of the data for PSNR and SSIM: a number, or 'reference' for its maximum.")
  var dataRange = DataRangeOption(.value(1))

  @Flag(help: "Add the SNR after the best affine fit to the JSON.")
  var regressed = false

  @Flag(help: "One value a frame, as JSON.")
  var json = false

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

  func run() throws {
    let truth = try ArrayFiles.images(reference)
    let images = try ArrayFiles.images(image)
    let scores: Scores
    do { scores = try Scores(images, reference: truth, dataRange: dataRange.range) } catch {
      throw error.located(at: SourceLocation(file: image))
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

  private static func table(_ scores: Scores) -> TextTable {
    var table = TextTable(
      header: ["\(scores.snr.count) frames", "min", "q1", "median", "q3", "max"])
    let rows = [
      ("SNR (dB)", scores.snr, 2), ("regressed SNR (dB)", scores.regressedSNR, 2),
      ("SSIM", scores.ssim, 4), ("PSNR (dB)", scores.psnr, 2), ("NMSE", scores.nmse, 5),
    ]
    for (name, values, digits) in rows {
      table.add([name] + Quartiles(values).all.map { TextTable.number($0, digits) })
    }
    return table
  }
}
