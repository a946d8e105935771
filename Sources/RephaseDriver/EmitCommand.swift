import ArgumentParser
import Compiler
import Diagnostics

struct EmitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "emit", abstract: "Write a model at a named stage of its path to machine code.")

  @OptionGroup var options: ModelOptions

  @Option(help: "graph, optimized, loops, scheduled, llvm, asm or ptx.")
  var stage: Stage = .graph

  @Option(help: "The loss of a training step (not there yet).")
  var train: String?

  @Option(name: .shortAndLong, help: "The file to write; - is standard output.")
  var output = "-"

  func run() throws {
    guard train == nil else {
      throw Diagnostic(
        "training steps are not there yet", help: "leave --train out to emit the inference graph")
    }
    let model = try options.resolve(needsWeights: false)
    let writer = StageWriter(
      target: try options.resolvedTarget(), precision: options.precision)
    let text = try model.locating { try writer.text(of: model.staged, at: stage) }
    try Output.write(text, to: output)
  }
}
