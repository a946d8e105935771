import ArgumentParser
import Diagnostics
import Evaluation
import Foundation
import Tensors

struct RankCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rank", abstract: "Blinded ranking of techniques by readers.",
    subcommands: [RankMakeCommand.self, RankAnalyseCommand.self])
}

struct RankMakeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "make",
    abstract: "Make a blinded reading session: a self-contained HTML page for each reader.",
    discussion: """
      A technique is NAME=PATH: a directory of CASE.npy files, an .npz file with an array for each case, or an .npy \
      file for a single case. Images are [row, column] or, as cine, [frame, row, column]. Each reader gets cases and \
      techniques in another order. Pages hold no names; the key does, so keep it from the readers.
      """)

  @Argument(help: "Techniques as NAME=PATH, two or more.")
  var techniques: [String]

  @Option(help: "How many readers, 1 to 100.")
  var readers = 1

  @Option(help: "Of the order; readers who know it can find out the order.")
  var seed: UInt64 = 1

  @Option(help: "The page's title.")
  var title: String?

  @Option(help: "A text file of criteria to be shown, one a line.")
  var criteria: String?

  @Option(help: "Frames a second of cine series.")
  var fps = 20.0

  @Flag(help: "Let images of a case share a rank.")
  var ties = false

  @Option(help: "The key's file (default: the output's name with '-key.json').")
  var key: String?

  @Option(name: .shortAndLong, help: "The directory of the pages.")
  var output: String

  func validate() throws {
    guard (1...100).contains(readers) else {
      throw ValidationError("--readers must lie between 1 and 100, not \(readers)")
    }
    guard (1...60).contains(fps) else {
      throw ValidationError("--fps must lie between 1 and 60, not \(fps)")
    }
    try Output.refuseStandard(output, of: "-o")
    try Output.refuseStandard(key, of: "--key")
  }

  func run() throws {
    let sources = try UsageError.of { () throws(Diagnostic) in
      try techniques.map(TechniqueImages.parse)
    }
    let directory = output.hasSuffix("/") ? String(output.dropLast()) : output
    let keyPath = key ?? directory + "-key.json"
    try refuseOld([directory + "/reader-1.html", keyPath])
    let cases = try TechniqueImages.cases(sources)
    let session = try ReadingSession(
      techniques: sources.map(\.name), cases: cases, readers: readers, seed: seed, style: try style)
    try write(session, to: directory, keyPath)
    print("\(readers) pages of \(cases.count) cases in \(directory), key \(keyPath)")
  }

  /// The key first: nobody could analyse pages without it. Upon failure neither key nor pages stay.
  private func write(
    _ session: ReadingSession, to directory: String, _ keyPath: String
  ) throws {
    try AtomicFile.makeDirectory(directory)
    var written: [String] = []
    func write(_ text: String, to path: String) throws {
      try AtomicFile.write(text, to: path)
      written.append(path)
    }
    do {
      try write(try session.key.json(), to: keyPath)
      for (place, reader) in session.key.readers.enumerated() {
        let page = try ReadingPage(session, reader: place).html()
        try write(page, to: "\(directory)/\(reader.name).html")
      }
    } catch {
      for path in written { unlink(path) }
      throw error
    }
  }

  /// Another key would tell wrongly what readers saw on pages that are out.
  private func refuseOld(_ paths: [String]) throws(Diagnostic) {
    for path in paths where FileManager.default.fileExists(atPath: path) {
      throw Diagnostic(
        "a reading is there already", at: SourceLocation(file: path),
        help: "name another folder with -o, or remove this reading and its key")
    }
  }

  private var style: ReadingStyle {
    get throws(Diagnostic) {
      var style = ReadingStyle()
      (style.framesPerSecond, style.allowsTies) = (fps, ties)
      if let title { style.title = title }
      if let criteria {
        let bytes = try FileBytes.read(criteria, limit: 1 << 16)
        let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
        style.criteria = lines.map(String.init)
      }
      return style
    }
  }
}

struct RankAnalyseCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "analyse",
    abstract: "Analyse readings: Friedman's test, pairs after Dunn, Kendall's W, figures.",
    discussion:
      "A CSV file a reader, with the columns case,technique,rank; 1 is best, ties are corrected for."
  )

  @Argument(help: "CSV files.")
  var readings: [String]

  @Option(help: "The key of blinded readings, from 'rank make'.")
  var key: String?

  @Option(help: "The level of significance of figures and report (default: 0.05).")
  var alpha: Double?

  @Option(name: .shortAndLong, help: "A directory for report.html, tables and figures.")
  var output: String?

  @Flag(help: "As JSON.")
  var json = false

  private struct Analysis: Encodable {
    var test: FriedmanReport
    var histogram: [String: [Int]]
    var agreement: ReadingAnalysis.Agreement?

    private enum Keys: String, CodingKey {
      case histogram, agreement
    }

    func encode(to encoder: any Encoder) throws {
      try test.encode(to: encoder)
      var container = encoder.container(keyedBy: Keys.self)
      try container.encode(histogram, forKey: .histogram)
      try container.encodeIfPresent(agreement, forKey: .agreement)
    }
  }

  func validate() throws {
    try Output.refuseStandard(output, of: "-o")
    try refuse(["--alpha": alpha != nil], without: "-o, the report's directory", output != nil)
    if let alpha, !(alpha > 0 && alpha < 1) {
      throw ValidationError("--alpha must lie between 0 and 1, not \(alpha)")
    }
    if readings.isEmpty { throw ValidationError("no CSV file is given") }
  }

  func run() throws {
    let unblinding = try key.map { (path) throws(Diagnostic) in
      try ReadingKey(try FileBytes.read(path, limit: 1 << 26), at: path)
    }
    let files = try readings.map { (path) throws(Diagnostic) in
      (path: path, bytes: try FileBytes.read(path, limit: 1 << 26))
    }
    let read = try Readings(files, key: unblinding)
    let analysis: ReadingAnalysis
    do { analysis = try ReadingAnalysis(read) } catch {
      throw error.located(at: SourceLocation(file: readings[0]))
    }
    let report = Analysis(
      test: FriedmanReport(analysis.friedman, names: analysis.techniques),
      histogram: Dictionary(uniqueKeysWithValues: zip(analysis.techniques, analysis.histogram)),
      agreement: analysis.agreement)
    if let output {
      try analysis.report(
        title: "Reading of \(analysis.techniques.count) techniques", alpha: alpha ?? 0.05
      ).write(to: output, json: try Console.jsonText(report) + "\n")
    }
    if json { return print(try Console.jsonText(report)) }
    print(analysis.friedman.summary(names: analysis.techniques))
    if let agreement = analysis.agreement {
      print(
        "\n\(agreement.readers) readers on \(agreement.cases) cases: mean Kendall's W within a case "
          + TableText.number(agreement.kendallW, 3))
    }
  }
}
