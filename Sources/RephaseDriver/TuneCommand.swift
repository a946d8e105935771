import ArgumentParser
import Compiler
import Diagnostics
import Foundation
import Networks

struct TuneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tune",
    abstract:
      "Measure alternatives for each kernel on this machine's CPU or GPU; write the fastest to a file.",
    discussion:
      "compile, run, verify, bench and emit take the file by --schedule, with the same model, size, batch, target and precision. Without --weights fresh ones are used: times do not depend on them. Every choice keeps the promise of the precision. Let the machine do nothing else meanwhile. For a GPU its code is compiled on all cores where NVIDIA's assembler (ptxas) is on the search path, else by the driver on one."
  )

  @OptionGroup var options: ModelOptions

  @Option(name: .customLong("rounds"), help: "Timed repetitions of each choice (default: 15).")
  var givenRounds: Int?

  @Option(
    help: "For a GPU: try no more choices after so many seconds; what was fastest is written.")
  var seconds: Int?

  @Option(name: .shortAndLong, help: "The schedule file to write; - is standard output.")
  var output: String

  @Flag(help: "For a GPU, which need not be here: write what is tried first, not what is fastest.")
  var list = false

  @Flag(help: "Print what was measured as JSON lines.")
  var json = false

  @Flag(help: "No progress.")
  var quiet = false

  func validate() throws {
    guard (1...10_000).contains(rounds) else {
      throw ValidationError("--rounds must lie between 1 and 10000, not \(rounds)")
    }
    guard seconds.map((1...1_000_000).contains) ?? true else {
      throw ValidationError("--seconds must lie between 1 and 1000000, not \(seconds ?? 0)")
    }
    try refuse(
      ["--json": json, "--rounds": givenRounds != nil, "--seconds": seconds != nil],
      without: "measuring; --list does none", !list)
    guard !json || output != "-" else {
      throw ValidationError("--json and -o - would both write to standard output")
    }
  }

  private var rounds: Int { givenRounds ?? 15 }

  func run() throws {
    try Output.check(output, against: [options.model, options.weights].compactMap { $0 })
    let model = try options.resolveForTiming()
    let pipeline = Pipeline(
      target: try options.resolvedTarget(), precision: options.precision)
    guard pipeline.target.gpu != nil || (seconds == nil && !list) else {
      throw ValidationError(
        "--seconds and --list are for GPUs; give --target sm_90, or leave them out")
    }
    if list {
      let choices = try model.locating {
        try DeviceTuner.firstChoices(model.staged, pipeline: pipeline)
      }
      return try Output.write(
        choices.map { "kernel @\($0.kernel) \($0.choice)\n" }.joined(), to: output)
    }
    var bar: CountProgress?
    let result = try model.locating {
      try tuned(model, pipeline) { done, total in
        bar = bar ?? CountProgress("measured", "groups of choices", total: total, isQuiet: quiet)
        bar?.show(done)
      }
    }
    bar?.close()
    let leftOut = Dictionary(grouping: result.problems, by: \.self).sorted { $0.key < $1.key }
    for (problem, groups) in leftOut {
      Console.error("groups of choices left out: \(groups.count), because \(problem)")
    }
    let report = TuningReport(
      net: model.staged.name, threads: Benchmark.threadCount(options.threads), result: result)
    try Output.write(report.file, to: output)
    if json { try report.printJSON() } else if output != "-" { print(report.text) }
  }

  private func tuned(
    _ model: ResolvedModel, _ pipeline: Pipeline,
    _ progress: @escaping (_ done: Int, _ total: Int) -> Void
  ) throws -> Tuner.Result {
    guard pipeline.target.gpu == nil else {
      return try DeviceTuner(
        model.staged, pipeline: pipeline, rounds: rounds, seconds: seconds, progress: progress
      ).run()
    }
    return try Tuner(
      model.staged, pipeline: pipeline, weights: model.weights, threads: options.threads,
      rounds: rounds, progress: progress
    ).run()
  }
}

/// What tuning found, as the schedule file, a table, or JSON lines.
private struct TuningReport {
  let net: String
  let threads: Int
  let result: Tuner.Result

  /// Remarks say what was measured.
  var file: String {
    var choices = result.choices
    for (number, row) in result.rows.enumerated() {
      let isStandard = row.choice == row.standard
      choices.kernels[number].remark =
        time(row.medianSeconds)
        + (isStandard ? ", as the cost model chooses" : ", not " + time(row.standardSeconds))
    }
    return choices.text(remarks: [summary])
  }

  var text: String {
    var table = TextTable(header: ["kernel", "choices", "cost model", "tuned"])
    for row in result.rows {
      table.add([
        row.kernel, "\(row.measured)", time(row.standardSeconds), time(row.medianSeconds),
      ])
    }
    return table.description + "\n" + summary
  }

  func printJSON() throws(Diagnostic) {
    struct Whole: Encodable {
      var net: String
      var threads: Int?
      var gpu: String?
      var images: Int?
      var median_s: Double
      var standard_s: Double
    }
    for row in result.rows { try Console.json(row) }
    try Console.json(
      Whole(
        net: net, threads: result.gpu == nil ? threads : nil, gpu: result.gpu,
        images: result.choices.images, median_s: result.seconds,
        standard_s: result.standardSeconds))
  }

  private var summary: String {
    let place = result.gpu ?? "\(threads) thread\(threads == 1 ? "" : "s")"
    return "\(net), \(place): \(time(result.seconds)), "
      + "\(time(result.standardSeconds)) as the cost model chooses"
  }

  /// Kernels of a GPU take microseconds.
  private func time(_ seconds: Double) -> String {
    result.gpu == nil
      ? String(format: "%.3f ms", seconds * 1e3) : String(format: "%.2f µs", seconds * 1e6)
  }
}
