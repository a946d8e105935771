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
      max-norm, in units of 2^-23.
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
    let model = try images.completing(options).resolve(needsWeights: true)
    guard case .graph(let function) = model.staged else {
      throw Diagnostic(
        "verify needs the graph to compare with; this dump is at a later stage",
        help: "give the network or a graph dump")
    }
    let compiled = try compiled(model)
    let verification = Verification(function, weights: model.weights)
    var rows: [Verification.Row] = []
    for kind in Verification.inputKinds {
      let inputs = verification.inputs(kind, seed: seed)
      rows += try verification.compare(kind, inputs, native: compiled)
    }
    if !input.isEmpty {
      rows += try images.locating {
        try verification.compare("given", images.tensors, native: compiled)
      }
    }
    let promise = options.precision.promise
    let worst = rows.map(\.ulps).max() ?? 0
    if json {
      let entries = rows.map { Report.Entry(input: $0.input, output: $0.output, ulps: $0.ulps) }
      try Console.json(Report(promise: promise, worst: worst, rows: entries))
    } else {
      for row in rows { print("\(row.input)  output \(row.output)  \(row.ulps) ulps") }
      print("worst \(worst) ulps; the promise is \(promise)")
    }
    if let row = rows.max(by: { $0.ulps < $1.ulps }), worst > promise {
      let given = row.input == "given"
      let inputs = given ? images.tensors : verification.inputs(row.input, seed: seed)
      let own = try verification.sensitivity(inputs, seed: seed)[row.output]
      throw Diagnostic(
        "native code is \(worst) ulps from the reference, past the promise of \(promise)",
        help: own > 2
          ? "images like those that the model is for may be kept better: give some with --input"
          : "report this with the model and its weights",
        notes: [
          "rounding of the \(row.input) input alone moves the reference by \(own) ulps"
            + (own > 2 ? ": the model amplifies differences" : "")
        ])
    }
  }
}
