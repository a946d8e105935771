import ArgumentParser
import Compiler
import Diagnostics
import Execution
import Foundation
import GraphIR
import Operations
import Tensors

enum Engine: String, ExpressibleByArgument, CaseIterable {
  /// Generated code.
  case native
  /// The float64 reference semantics: slow.
  case reference
}

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Run a model once: by JIT, by the float64 reference, or from a compiled library.")

  @OptionGroup var options: ModelOptions
  @OptionGroup var tuned: TunedSchedule

  @Option(help: "The input, a .npy of float numbers; repeat for several inputs.")
  var input: [String]

  @Option(help: "native, or reference: float64 on one thread, for any --target and --precision.")
  var engine: Engine = .native

  @Option(
    name: .shortAndLong,
    help: "The output, a float32 .npy (- is standard output); repeat for models with several."
  )
  var output: [String]

  func validate() throws {
    if let twice = output.first(where: { path in
      output.count(where: { Output.isSame($0, path) }) > 1
    }) {
      throw ValidationError("-o \(twice) is given twice; each output needs a file of its own")
    }
  }

  func run() throws {
    let read = input + [options.model, options.weights].compactMap { $0 }
    for path in output { try Output.check(path, against: read) }
    let outputs = try results(try ModelInputs(reading: input))
    guard output.count == outputs.count else {
      throw ValidationError(
        "the model has \(outputs.count) outputs, but \(output.count) -o are given")
    }
    for (path, tensor) in zip(output, outputs) {
      try Output.write(NpyFile.encode(.float32(tensor)), to: path)
    }
  }

  private func results(_ inputs: ModelInputs) throws -> [Tensor<Float>] {
    if let path = options.model, Self.isLibrary(path) { return try results(inputs, library: path) }
    let options = inputs.completing(options)
    let model = try options.resolve(needsWeights: true, inputs: inputs.shapes)
    switch engine {
    case .native:
      let target = try options.resolvedTarget()
      let compiled = try model.compiled(for: target, options, tuned)
      return try inputs.locating { try compiled(inputs.tensors) }
    case .reference:
      guard tuned.schedule == nil else {
        throw ValidationError("--schedule belongs to --engine native")
      }
      guard case .graph(let function) = model.staged else {
        throw Diagnostic(
          "the reference engine runs graphs; this dump is at a later stage",
          help: "give the network or a graph dump")
      }
      let doubles = try inputs.locating {
        try Reference.evaluate(
          function, inputs: inputs.tensors.map { $0.map(Double.init) },
          parameters: model.weights.mapValues { $0.map(Double.init) })
      }
      return doubles.map { $0.map { Float($0) } }
    }
  }

  private func results(_ inputs: ModelInputs, library path: String) throws -> [Tensor<Float>] {
    guard engine == .native else { throw ValidationError("a library has no reference engine") }
    guard tuned.schedule == nil else {
      throw ValidationError("a library is scheduled already; give --schedule to compile")
    }
    guard options.settings.isEmpty, options.batch == nil, options.size == nil,
      options.target == "native", options.precision == .standard
    else {
      throw ValidationError(
        "--set, --batch, --size, --target and --precision apply to networks; \(path) is compiled")
    }
    let context = try LibraryContext(
      path: path, weights: options.weights, threads: options.threads)
    return try inputs.locating { try context.run(inputs: inputs.tensors) }
  }

  static func isLibrary(_ path: String) -> Bool {
    guard let file = FileHandle(forReadingAtPath: path) else { return false }
    defer { try? file.close() }
    return (try? file.read(upToCount: 4)) == Data([0x7F, 0x45, 0x4C, 0x46])
  }
}
