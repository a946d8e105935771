import ArgumentParser
import Compiler
import Diagnostics
import Foundation
import LoopIR
import Tensors

struct OptCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "opt", abstract: "Run passes on a dump and write a dump.",
    discussion:
      "Graph dumps take graph passes, loop dumps take loop passes, LLVM IR dumps LLVM's own; --list-passes names them."
  )

  @Argument(help: "The dump to read; - is standard input.")
  var input: String?

  @Option(
    help:
      "Passes in order, separated by commas; the standard ones of the dump's stage unless given.")
  var passes: String?

  @Flag(help: "List all passes, and do nothing else.")
  var listPasses = false

  @Option(help: "A folder that gets one numbered file for each pass that changed something.")
  var dumpDir: String?

  @Option(help: "native, auto, an x86-64 level or processor, or an NVIDIA GPU, for loop passes.")
  var target = "native"

  @Option(help: "strict (direct summation), standard or, on GPUs, tf32 or bf16, for loop passes.")
  var precision: Precision = .standard

  @Option(name: .shortAndLong, help: "The file to write; - is standard output.")
  var output = "-"

  func run() throws {
    if listPasses {
      for pass in PassList.all { print("\(pass.stage)  \(pass.name)  \(pass.summary)") }
      return
    }
    guard let input else { throw ValidationError("give the dump to read, or --list-passes") }
    let target = try TargetOption.resolve(self.target, precision: precision, allowsGPU: true)
    let model = input == "-" ? try standardInput() : try ModelOptions.dump(input)
    let names = passes.map { $0.split(separator: ",").map(String.init) }
    let runner = PassRunner(target: target, precision: precision)
    if let names {
      try UsageError.of { () throws(Diagnostic) in try runner.check(names, for: model) }
    }
    var number = 0
    let text: String
    do throws(Diagnostic) {
      text = try runner.run(names, on: model) { (pass, text) throws(Diagnostic) in
        number += 1
        guard let dumpDir else { return }
        try AtomicFile.makeDirectory(dumpDir)
        let count = number < 10 ? "0\(number)" : "\(number)"
        try AtomicFile.write(text, to: "\(dumpDir)/\(count)-\(pass).rir")
      }
    } catch { throw error.located(at: SourceLocation(file: input)) }
    try Output.write(text, to: output)
  }

  private func standardInput() throws -> StagedModel {
    let data = FileHandle.standardInput.readDataToEndOfFile()
    guard let text = String(validating: Array(data), as: UTF8.self) else {
      throw Diagnostic("standard input is no text", help: "give a dump")
    }
    return try DumpReader.read(text, file: "<stdin>")
  }
}
