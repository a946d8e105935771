import ArgumentParser
import Diagnostics
import Foundation
import Networks
import Synchronization

/// The `rephase` command line; `network` is the user's own, called `self` as a MODEL.
///
/// A user's executable is one line: `RephaseDriver.main(MyNetwork())`. Ends the process: exit code 0 done, 1 the
/// work failed, 64 wrong usage.
public func main(_ network: (any Network)? = nil) -> Never {
  UserNetwork.current.withLock { $0 = network }
  StandardError.openClosedStreams()
  // A file that would pass a size limit is to fail as a full disk does, with an error.
  signal(SIGXFSZ, SIG_IGN)
  do {
    var command = try Rephase.parseAsRoot()
    do { try command.run() } catch let mistake as ValidationError {
      Console.error(
        "\(Diagnostic(mistake.message))\nUsage: \(Rephase.usageString(for: type(of: command)))")
      exit(64)
    }
    try Output.finish()
    exit(0)
  } catch let diagnostic as Diagnostic {
    Console.error(diagnostic.description)
    exit(1)
  } catch let usage as UsageError {
    Console.error(usage.diagnostic.description)
    exit(64)
  } catch {
    let text = Rephase.fullMessage(for: error)
    let code = Rephase.exitCode(for: error)
    if code == .success {
      print(text)
      exit(0)
    }
    let message = text.hasPrefix("Error: ") ? "error: " + text.dropFirst(7) : text
    let lines = message.split(separator: "\n", omittingEmptySubsequences: false)
    Console.error(lines.map { Diagnostic.line(String($0)) }.joined(separator: "\n"))
    exit(code.rawValue)
  }
}

/// The network that the user's executable was started with.
enum UserNetwork {
  static let current = Mutex<(any Network)?>(nil)
  /// The MODEL that means it.
  static let name = "self"
}

struct Rephase: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rephase",
    abstract: "A deep-learning compiler for MR image reconstruction.",
    version: "0.1.0",
    subcommands: [
      ModelsCommand.self, InitCommand.self, EmitCommand.self, OptCommand.self,
      CompileCommand.self, RunCommand.self, VerifyCommand.self, BenchCommand.self,
      TuneCommand.self,
      TrainCommand.self, InfoCommand.self, PrepareCommand.self, ReconCommand.self,
      PhantomCommand.self, EvaluateCommand.self, StatsCommand.self, RankCommand.self,
      FigureCommand.self, ExperimentCommand.self, OperationsCommand.self,
    ])
}

/// What goes to the terminal besides results.
enum Console {
  static func error(_ text: String) {
    StandardError.write(text + "\n")
  }

  /// A line of progress; silent with `--quiet`.
  static func progress(_ text: String, quiet: Bool) {
    if !quiet { error(text) }
  }

  /// Prints a JSON object.
  static func json(_ value: some Encodable) throws(Diagnostic) { print(try jsonText(value)) }

  /// A JSON object on one line, keys sorted.
  static func jsonText(_ value: some Encodable) throws(Diagnostic) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    do { return String(decoding: try encoder.encode(value), as: UTF8.self) } catch {
      throw Diagnostic("the result cannot be written as JSON: \(error.localizedDescription)")
    }
  }
}
