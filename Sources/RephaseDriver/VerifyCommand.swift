import ArgumentParser
import Compiler
import Diagnostics
import Tensors

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Compare native code with the float64 reference on random and adversarial inputs.",
    discussion: """
      With --input on these images too, whose batch and size the model then has. Errors are max-norms over the reference's \
      max-norm, in units of 2^-23. Where rounding in float32 alone, of every number that an operation computes, costs r > 4 \
      of them, errors may be r / 4 times as large as the precision promises. What is computed beyond float32's range is \
      left out. Of training steps and other dumps with gradients, the promise is 256 at least.
      """)

  @OptionGroup var options: ModelOptions
  @OptionGroup var tuned: TunedSchedule

  @Option(help: "Images of your own, a .npy of float numbers; repeat for several inputs.")
  var input: [String] = []

  @Option(help: "Of the random inputs.")
  var seed: UInt64 = 1

  @Flag(help: "Run a GPU target's kernels by the PTX emulator, which checks every access.")
  var emulate = false

  @Flag(help: "As JSON.")
  var json = false

  private struct Report: Encodable {
    struct Entry: Encodable {
      var input: String
      var output: Int
      var ulps: Double
      /// The promise, or more where the model amplifies rounding.
      var allowed: Double
    }
    var promise: Double
    var worst: Double
    var rows: [Entry]
  }

  /// The model's compiled form.
  private func compiled(
    _ model: ResolvedModel
  ) throws -> ([Tensor<Float>]) throws(Diagnostic) -> [Tensor<Float>] {
    let target = try options.resolvedTarget()
    guard emulate else { return try model.compiled(for: target, options, tuned) }
    guard target.gpu != nil else {
      throw ValidationError("--emulate is for GPU targets: give --target sm_90")
    }
    let emulated = try model.locating {
      try EmulatedModel(
        model.staged, target: target, precision: options.precision, choices: tuned.choices(),
        weights: model.weights)
    }
    return emulated.run
  }

  func run() throws {
    let images = try ModelInputs(reading: input)
    let model = try images.completing(options).resolve(needsWeights: true, inputs: images.shapes)
    guard case .graph(let function) = model.staged else {
      throw Diagnostic(
        "verify needs the graph to compare with; this dump is at a later stage",
        help: "give the network or a graph dump")
    }
    let compiled = try compiled(model)
    let verification = Verification(function, weights: model.weights)
    let promise = verification.promise(options.precision)
    var entries: [Report.Entry] = []
    for kind in Verification.inputKinds {
      let inputs = verification.inputs(kind, seed: seed)
      entries += try compare(verification, kind, inputs, compiled)
    }
    if !input.isEmpty {
      entries += try images.locating {
        try compare(verification, "given", images.tensors, compiled)
      }
    }
    let worst = entries.map(\.ulps).max() ?? 0
    if json {
      try Console.json(Report(promise: promise, worst: worst, rows: entries))
    } else {
      for entry in entries { print(Self.line(entry, promise)) }
      print("worst \(worst) ulps; the promise is \(promise)")
    }
    if let wrong = entries.max(by: { $0.ulps / $0.allowed < $1.ulps / $1.allowed }),
      wrong.ulps > wrong.allowed
    {
      throw Diagnostic(
        "native code is \(wrong.ulps) ulps from the reference, past the promise of \(wrong.allowed)",
        help: "report this with the model and its weights")
    }
  }

  /// What rounding alone costs is asked for where the promise is not kept.
  private func compare(
    _ verification: Verification, _ kind: String, _ inputs: [Tensor<Float>],
    _ native: ([Tensor<Float>]) throws(Diagnostic) -> [Tensor<Float>]
  ) throws(Diagnostic) -> [Report.Entry] {
    let rows = try verification.compare(kind, inputs, native: native)
    let promise = verification.promise(options.precision)
    let isKept = rows.allSatisfy { $0.ulps <= promise }
    if rows.contains(where: { $0.ulps.isInfinite }), try verification.leavesRange(inputs) {
      Console.error(
        "\(kind): left out, since the reference computes numbers beyond float32's range")
      return []
    }
    let own = isKept ? nil : try verification.ownRounding(inputs, options.precision)
    return rows.map { row in
      Report.Entry(
        input: row.input, output: row.output, ulps: row.ulps,
        allowed: Verification.allowed(promise, ownRounding: own?[row.output] ?? 0))
    }
  }

  private static func line(_ entry: Report.Entry, _ promise: Double) -> String {
    let line = "\(entry.input)  output \(entry.output)  \(entry.ulps) ulps"
    if entry.allowed <= promise { return line }
    return line + " (the model amplifies rounding: \(entry.allowed) are allowed)"
  }
}
