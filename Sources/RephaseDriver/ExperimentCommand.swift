import ArgumentParser
import Diagnostics
import Foundation
import MRData
import Networks
import Tensors

struct ExperimentCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "experiment",
    abstract: "Run a whole experiment from a YAML file: prepare, train, evaluate, report.",
    discussion: """
      Started again with the same file and output, it goes on where it was left. The output has set/, \
      runs/NETWORK-LOSS/ and report/. With 'channels: 2' among the options of prepare, images are complex, \
      for all networks; cascades need that, and 'crop: before'.
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
    let prepare = try step(PrepareCommand.self, plan.data + ["-o", set], plan.prepare)
    let runs = try runs(plan, prepare.command)
    let evaluate = try step(
      EvaluateCommand.self,
      ["--set", set, "--models"] + runs.map(\.command.output) + ["-o", output + "/report"],
      plan.evaluate)
    try AtomicFile.makeDirectory(output)
    try keep(plan)
    if !PreparedSet.isPreparedSet(set) { try perform(prepare) }
    for var run in runs {
      if FileManager.default.fileExists(atPath: run.command.output) {
        run.arguments.append("--resume")
        run.command.resumes = true
      }
      try perform(run)
    }
    try perform(evaluate)
  }

  private var set: String { output + "/set" }

  /// A run of 'train' for each network and loss; throws, at its place, what a network or loss refuses.
  private func runs(
    _ plan: ExperimentConfig, _ prepare: PrepareCommand
  ) throws -> [Step<TrainCommand>] {
    var runs: [Step<TrainCommand>] = []
    var readable: Set<String?> = []
    for network in plan.networks {
      let settings = network.options.flatMap { setting in
        setting.values.flatMap { ["--set", "\(setting.name)=\($0)"] }
      }
      for loss in plan.losses {
        let directory = "\(output)/runs/\(network.name)-\(loss.name)"
        let own = ExperimentConfig.arguments(loss.options)
        let arguments =
          [network.name] + settings + ["--data", set, "--loss", loss.name, "-o", directory] + own
        let run = try Self.reading(loss.place) {
          let run = try step(TrainCommand.self, arguments, plan.train)
          let options = try TrainWork.options(run.command)
          if options.loss.needsVGG, readable.insert(run.command.vgg).inserted {
            _ = try TrainWork.vgg(run.command, options.loss)
          }
          return run
        }
        try Self.reading(network.place) { try check(run.command, prepare) }
        runs.append(run)
      }
    }
    return runs
  }

  /// Runs what judges a part of the file: what a command line would be blamed for is the file's mistake.
  private static func reading<Result>(
    _ place: SourceLocation, _ judge: () throws -> Result
  ) throws -> Result {
    do { return try judge() } catch let error as UsageError {
      throw error.diagnostic.located(at: place)
    } catch let error as Diagnostic { throw error.located(at: place) }
  }

  /// Keeps the file beside its results; throws where the directory belongs to another experiment.
  private func keep(_ plan: ExperimentConfig) throws {
    let kept = output + "/experiment.yaml"
    guard FileManager.default.fileExists(atPath: kept) else {
      return try AtomicFile.write(try FileBytes.read(config), to: kept)
    }
    guard try ExperimentConfig(kept).content == plan.content else {
      throw Diagnostic(
        "the directory holds an experiment with other settings", at: SourceLocation(file: output),
        help: "name another with -o, or give the file that it was begun with, \(kept)")
    }
  }

  /// Throws where a network cannot be trained on what 'prepare' will make: known now, not after hours.
  private func check(_ train: TrainCommand, _ prepare: PrepareCommand) throws {
    let augmentation = try TrainWork.augmentation(train)
    let network = try TrainWork.model(train, channels: prepare.channels.count, of: config)
    guard let cascade = network.network as? any LineSampledNetwork else { return }
    try cascade.check(augmentation)
    try cascade.measuredLines().check(
      mask: prepare.mask, axis: prepare.axis, crop: prepare.crop, at: config)
  }

  /// A command of the driver with the arguments that it was read from.
  private struct Step<Command: ParsableCommand> {
    var command: Command
    var arguments: [String]
  }

  /// What a command does not understand is the file's mistake.
  private func step<Command: ParsableCommand>(
    _ command: Command.Type, _ arguments: [String], _ options: ExperimentConfig.Options
  ) throws(Diagnostic) -> Step<Command> {
    let all = arguments + ExperimentConfig.arguments(options) + (quiet ? ["--quiet"] : [])
    do { return Step(command: try Command.parse(all), arguments: all) } catch {
      let name = Command.configuration.commandName ?? ""
      throw Diagnostic(
        "'\(name)' does not take these options: \(Command.message(for: error))",
        at: SourceLocation(file: config), help: "'rephase \(name) --help' lists its options")
    }
  }

  private func perform<Command: ParsableCommand>(_ step: Step<Command>) throws {
    let name = Command.configuration.commandName ?? ""
    Console.progress("rephase \(name) \(step.arguments.joined(separator: " "))", quiet: quiet)
    var command = step.command
    try command.run()
  }
}
