import ArgumentParser
import Diagnostics
import Evaluation
import Foundation

struct StatsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stats", abstract: "Statistical tests of the values in .npy files.",
    subcommands: [
      NormalityCommand.self, QuartilesCommand.self, FriedmanCommand.self, PairedCommand.self,
    ])
}

struct NormalityCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "normality",
    abstract: "Test for normality: Shapiro-Wilk, and Kolmogorov-Smirnov after Lilliefors.",
    discussion: "Takes all values of the array, 4 to 5000.")

  @Argument(help: "An .npy file.")
  var values: String

  @Flag(help: "As JSON.")
  var json = false

  func run() throws {
    let sample = try ArrayFiles.sample(values)
    let tests: Normality
    do { tests = try Normality(sample) } catch {
      throw error.located(at: SourceLocation(file: values))
    }
    if json { return try Console.json(tests) }
    var table = TextTable(header: ["\(sample.count) values", "statistic", "p"])
    for (name, statistic, p) in [
      ("Shapiro-Wilk W", tests.shapiroWilk.w, tests.shapiroWilk.p),
      ("Lilliefors D", tests.lilliefors.d, tests.lilliefors.p),
    ] {
      table.add([name, TableText.number(statistic, 4), TableText.probability(p)])
    }
    print(table)
  }
}

struct QuartilesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quartiles", abstract: "Minimum, quartiles and maximum of all values.",
    discussion: "Linear between order statistics, as NumPy has it.")

  @Argument(help: "An .npy file.")
  var values: String

  @Flag(help: "As JSON.")
  var json = false

  func run() throws {
    let quartiles = Quartiles(try ArrayFiles.sample(values))
    if json { return try Console.json(quartiles) }
    var table = TextTable(header: ["min", "q1", "median", "q3", "max"])
    table.add(quartiles.all.map { String($0) })
    print(table)
  }
}

/// Samples whose values belong together: a file each, or the columns of one file.
struct RelatedSamples: ParsableArguments {
  @Argument(
    help: "One .npy file [block, technique], or a file for each technique with a value a block.")
  var files: [String]

  @Option(help: "Names of the techniques, with commas between; else their files' or columns'.")
  var names: String?

  func validate() throws {
    if files.isEmpty { throw ValidationError("no file is given") }
  }

  func read() throws -> (names: [String], samples: [[Double]]) {
    let samples = files.count == 1 ? try columns(files[0]) : try separate()
    let given = names?.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    let names = given ?? defaultNames(samples.count)
    guard given != nil || Set(names).count == names.count else {
      throw ValidationError("two files have the same name; tell the techniques apart by --names")
    }
    guard names.count == samples.count, Set(names).count == names.count, !names.contains("") else {
      throw ValidationError(
        "\(samples.count) techniques need as many different names in --names, not \(names.count)")
    }
    return (names, samples)
  }

  /// What fails is about the first file.
  func locating<Result>(_ test: () throws(Diagnostic) -> Result) throws(Diagnostic) -> Result {
    do { return try test() } catch { throw error.located(at: SourceLocation(file: files[0])) }
  }

  private func columns(_ path: String) throws(Diagnostic) -> [[Double]] {
    let table = try ArrayFiles.values(path)
    guard table.shape.rank == 2 else {
      throw Diagnostic(
        "values of several techniques are [block, technique], not \(table.shape)",
        at: SourceLocation(file: path), help: "or give a file for each technique")
    }
    let width = table.shape[1]
    return (0..<width).map { column in
      stride(from: column, to: table.values.count, by: width).map { table.values[$0] }
    }
  }

  private func separate() throws(Diagnostic) -> [[Double]] {
    var samples: [[Double]] = []
    for path in files {
      let sample = try ArrayFiles.sample(path)
      if let first = samples.first, first.count != sample.count {
        throw Diagnostic(
          "the file has \(sample.count) values, but \(files[0]) has \(first.count)",
          at: SourceLocation(file: path), help: "every technique needs a value of each block")
      }
      samples.append(sample)
    }
    return samples
  }

  private func defaultNames(_ count: Int) -> [String] {
    guard files.count > 1 else { return (0..<count).map(String.init) }
    let short = files.map { URL(fileURLWithPath: $0).deletingPathExtension().lastPathComponent }
    return Set(short).count == count ? short : files
  }
}
