import CodeGen
import Compiler
import Diagnostics
import Execution
import GraphIR
import LoopIR
import Networks
import Operations
import Schedules
import Tensors
import Testing

/// The measure of errors, and native runs from every stage against the reference.
@Suite struct VerificationTests {
  private func error(_ actual: [Float], _ expected: [Double]) throws -> Double {
    let shape = try Shape([actual.count])
    return Verification.error(
      of: try Tensor(shape, actual), against: try Tensor(shape, expected)
    ).ulps
  }

  @Test func errorsAreInUnitsOfTheLargestValue() throws {
    #expect(try error([1, 2], [1, 2]) == 0)
    #expect(try error([1, 2 + 0x1p-22], [1, 2]) == 1)
    #expect(try error([0, 0], [0, 0]) == 0)
    #expect(try error([0x1p-149], [0]) == .infinity)
    #expect(try error([.nan, 1], [.nan, 1]) == 0)
    #expect(try error([.nan, 1], [0, 1]) == .infinity)
    #expect(try error([0, 1], [.nan, 1]) == .infinity)
    #expect(try error([.infinity], [1]) == .infinity)
  }

  /// A power of 16 multiplies relative differences by that.
  @Test func sensitivityIsThatOfTheReference() throws {
    var function = Function("power")
    var value = function.addArgument(TensorType(try Shape([1, 1, 8, 8]), .f32), name: "x")
    for _ in 0..<4 { value = try function.append(Multiply(), [value, value])[0] }
    function.results = [value]
    let verification = Verification(function, weights: [:])
    let found = try verification.sensitivity(verification.inputs("constant", seed: 1), seed: 1)
    #expect(found.count == 1 && abs(found[0] - 8) < 1e-5)
  }

  @Test(arguments: textStages)
  func everyStageRunsAndKeepsThePromise(_ stage: Stage) throws {
    guard case .graph(let function) = try sampleModel() else { return }
    let model = try DumpReader.read(
      try StageWriter(target: try native()).text(of: try sampleModel(), at: stage), file: "dump")
    let weights = try sampleWeights()
    let session = try ModelSession(model, target: try native(), weights: weights)
    let verification = Verification(function, weights: weights)
    for kind in Verification.inputKinds {
      let images = verification.inputs(kind, seed: 1)
      let rows = try verification.compare(kind, images) { (inputs) throws(Diagnostic) in
        try session.session.run(inputs: inputs, threads: 2)
      }
      #expect(rows.count == 1)
      for row in rows { #expect(row.ulps <= 16, "\(kind)") }
    }
  }

  /// Trained weights cancel more than fresh ones: of images of 1e-6, sums in float32 leave strict's promise here.
  @Test(arguments: Precision.ofCPUs)
  func trainedWeightsKeepThePromise(_ precision: Precision) throws {
    let file = try #require(try TrainedWeights.file(for: "resnet4"))
    let settings = try #require(try Weights.modelDescription(file.metadata, file: "")).settings
    let model = try NetworkModel(try Zoo.network(named: "resnet4", settings: settings))
    let weights = try Weights.read(file, path: "", for: model).tensors
    let function = try model.graph(batch: 1, height: 24, width: 16)
    let compiled = try ModelSession(
      .graph(function), target: try native(), precision: precision, weights: weights)
    let verification = Verification(function, weights: weights)
    for kind in Verification.inputKinds {
      let images = verification.inputs(kind, seed: 6)
      let rows = try verification.compare(kind, images) { (inputs) throws(Diagnostic) in
        try compiled.session.run(inputs: inputs)
      }
      #expect(rows.count == 1)
      for row in rows { #expect(row.ulps <= precision.promise, "\(kind)") }
    }
  }
}

private func native() throws -> Schedules.Target { try Targets.resolve("native") }
