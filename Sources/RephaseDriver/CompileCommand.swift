import ArgumentParser
import CodeGen
import Compiler
import Diagnostics
import Execution
import Foundation
import Networks
import Schedules

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

  @Option(
    help:
      "For GPUs: NVIDIA's assembler, which puts machine code beside the PTX (the one on PATH unless given), or none."
  )
  var ptxas: String?

  @Option(name: .shortAndLong, help: "The folder to write into.")
  var output: String

  @Flag(help: "Print the names of the files as JSON.")
  var json = false

  @Flag(help: "No progress.")
  var quiet = false

  func validate() throws { try Output.refuseStandard(output, of: "-o") }

  private func assembler(_ target: Target) throws -> DeviceAssembler? {
    guard target.gpu != nil else {
      guard ptxas == nil || options.target == AutomaticTarget.name else {
        throw ValidationError("--ptxas belongs to GPU targets such as sm_90")
      }
      return nil
    }
    guard let ptxas else { return try DeviceAssembler.installed() }
    return ptxas == "none" ? nil : try DeviceAssembler(ptxas)
  }

  func run() throws {
    if let name { try UsageError.of { () throws(Diagnostic) in try ModelName.check(name) } }
    let target = try options.resolvedTarget()
    let model = try options.resolve(needsWeights: true)
    let name = name ?? model.staged.name
    let compiler = LibraryCompiler(
      target: target, precision: options.precision, embedsWeights: weightsMode == .embed,
      choices: try tuned.choices(), assembler: try assembler(target))
    Console.progress("compiling \(name) for \(target.name)", quiet: quiet)
    let files = try model.locating {
      try compiler.compile(
        model.staged, name: name,
        source: model.sourceText, weights: model.weights, to: output)
    }
    let paths = files.map { URL(fileURLWithPath: output).appendingPathComponent($0).relativePath }
    if json {
      try Console.json(["files": paths])
    } else {
      for path in paths { print(path) }
    }
  }
}
