import ArgumentParser
import Diagnostics
import Foundation
import MRData
import Tensors

struct ExperimentCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "experiment",
    abstract: "Run a whole experiment from a YAML file: prepare, train, evaluate, report.",
    discussion: """
      Started again with the same file and output, it goes on where it was left. The output has set/, \
      runs/NETWORK-LOSS/ and report/.
      """)

  @Argument(help: "The experiment's .yaml file.")
  var config: String

  @Option(name: .shortAndLong, help: "The directory of the experiment.")
  var output: String

  @Flag(help: "No progress.")
  var quiet = false

  func validate() throws { try Output.refuseStandard(output, of: "-o") }

  func run() throws {
    let plan = try ExperimentConfig(config)
    let runs = self.runs(plan)
    try AtomicFile.makeDirectory(output)
    try keepConfig()
    if !PreparedSet.isPreparedSet(set) {
      try perform(PrepareCommand.self, plan.data + ["-o", set], plan.prepare)
    }
    for run in runs {
      let started = FileManager.default.fileExists(atPath: run.directory)
      try perform(
        TrainCommand.self, run.arguments + (started ? ["--resume"] : []), plan.train)
    }
    try perform(
      EvaluateCommand.self,
      ["--set", set, "--models"] + runs.map(\.directory) + ["-o", output + "/report"],
      plan.evaluate)
  }

  private var set: String { output + "/set" }

  /// A run of 'train' for each network and loss.
  private func runs(_ plan: ExperimentConfig) -> [(directory: String, arguments: [String])] {
    plan.networks.flatMap { network in
      plan.losses.map { loss in
        let directory = "\(output)/runs/\(network.name)-\(loss.name)"
        let settings = network.options.flatMap { setting in
          setting.values.flatMap { ["--set", "\(setting.name)=\($0)"] }
        }
        let own = ExperimentConfig.arguments(loss.options)
        return (
          directory,
          [network.name] + settings + ["--data", set, "--loss", loss.name, "-o", directory] + own
        )
      }
    }
  }

  /// Keeps the file beside its results; throws where the directory belongs to another experiment.
  private func keepConfig() throws {
    let kept = output + "/experiment.yaml"
    let bytes = try FileBytes.read(config)
    guard FileManager.default.fileExists(atPath: kept) else {
      return try AtomicFile.write(bytes, to: kept)
    }
    guard try FileBytes.read(kept) == bytes else {
      throw Diagnostic(
        "the directory holds an experiment with other settings", at: SourceLocation(file: output),
        help: "name another with -o, or give the file that it was begun with, \(kept)")
    }
  }

  /// Runs a command of the driver; what it does not understand is the file's mistake.
  private func perform<Command: ParsableCommand>(
    _ command: Command.Type, _ arguments: [String], _ options: ExperimentConfig.Options
  ) throws {
    let name = Command.configuration.commandName ?? ""
    let all = arguments + ExperimentConfig.arguments(options) + (quiet ? ["--quiet"] : [])
    Console.progress("rephase \(name) \(all.joined(separator: " "))", quiet: quiet)
    var parsed: Command
    do { parsed = try Command.parse(all) } catch {
      throw Diagnostic(
        "'\(name)' does not take these options: \(Command.message(for: error))",
        at: SourceLocation(file: config), help: "'rephase \(name) --help' lists its options")
    }
    try parsed.run()
  }
}
