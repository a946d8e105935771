import ArgumentParser
import CodeGen
import Compiler
import Diagnostics
import Foundation

/// Where a compiled model's weights are.
enum WeightsMode: String, ExpressibleByArgument, CaseIterable {
  case embed, separate
}

struct CompileCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compile",
    abstract: "Compile a model to object code, static and shared library, C header and manifest.")

  @OptionGroup var options: ModelOptions
  @OptionGroup var tuned: TunedSchedule

  @Option(help: "Begins every symbol and file name; the model's name unless given.")
  var name: String?

  @Option(help: "embed the weights in the library, or write them to NAME.weights (separate).")
  var weightsMode: WeightsMode = .embed

  @Option(name: .shortAndLong, help: "The folder to write into.")
  var output: String

  @Flag(help: "Print the names of the files as JSON.")
  var json = false

  @Flag(help: "No progress.")
  var quiet = false

  func run() throws {
    if let name { try UsageError.of { () throws(Diagnostic) in try ModelName.check(name) } }
    let target = try options.resolvedTarget(runningHere: false)
    let model = try options.resolve(needsWeights: true)
    let name = name ?? model.staged.name
    let compiler = LibraryCompiler(
      target: target, precision: options.precision, embedsWeights: weightsMode == .embed,
      choices: try tuned.choices())
    Console.progress("compiling \(name) for \(target.name)", quiet: quiet)
    let files = try model.locating {
      try compiler.compile(
        model.staged, name: name, source: model.sourceText, weights: model.weights, to: output)
    }
    let paths = files.map { URL(fileURLWithPath: output).appendingPathComponent($0).relativePath }
    if json {
      try Console.json(["files": paths])
    } else {
      for path in paths { print(path) }
    }
  }
}
