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
    #expect(try error([.infinity, 1], [1e300, 1]) == 0)
    #expect(try error([-.infinity, 1], [1e300, 1]) == .infinity)
  }

  /// Of very small images (x + 1) - 1 is the difference of large numbers, but x + 1 alone is not.
  @Test(arguments: [("%1", 0x1p18, 0x1p19), ("%0", 0.0, 1.0)])
  func roundingOfWhatIsBetweenIsKnown(_ result: String, _ least: Double, _ most: Double) throws {
    let text = """
      rephase_ir 1
      func @cancelling(%x: tensor<1x1x8x8xf32>) -> tensor<1x1x8x8xf32> {
        %one = parameter "one" : tensor<1x1x8x8xf32>
        %0 = add %x, %one : tensor<1x1x8x8xf32>
        %1 = subtract %0, %one : tensor<1x1x8x8xf32>
        return \(result)
      }
      """
    guard case .graph(let function) = try DumpReader.read(text, file: "cancelling") else { return }
    let weights = ["one": Tensor<Float>(try Shape([1, 1, 8, 8]), repeating: 1)]
    let verification = Verification(function, weights: weights)
    let images = verification.inputs("tiny", seed: 1)
    let own = try verification.ownRounding(images, .strict)[0]
    #expect((least...most).contains(own))
    let compiled = try ModelSession(
      .graph(function), target: try native(), precision: .strict, weights: weights)
    let rows = try verification.compare("tiny", images) { (inputs) throws(Diagnostic) in
      try compiled.session.run(inputs: inputs)
    }
    #expect(rows[0].ulps <= Verification.allowed(Precision.strict.promise, ownRounding: own))
    #expect((rows[0].ulps <= Precision.strict.promise) == (result == "%0"))
  }

  /// Sums of large numbers that are small by chance decide where tanh goes, and float32 knows them badly.
  @Test func roundingInsideSumsIsKnown() throws {
    let text = """
      rephase_ir 1
      func @saturated(%x: tensor<1x1x32x32xf32>) -> tensor<1x1x32x32xf32> {
        %w = parameter "w" : tensor<1x1x3x3xf32>
        %0 = convolution %x, %w {padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<1x1x32x32xf32>
        %1 = tanh %0 : tensor<1x1x32x32xf32>
        return %1
      }
      """
    guard case .graph(let function) = try DumpReader.read(text, file: "saturated") else { return }
    let weights = ["w": Tensor<Float>(try Shape([1, 1, 3, 3]), repeating: 0.02)]
    let verification = Verification(function, weights: weights)
    let images = verification.inputs("huge", seed: 1)
    #expect(try verification.ownRounding(images, .strict)[0] <= 1)
    #expect(try verification.ownRounding(images, .standard)[0] > 16)
    #expect(try verification.ownRounding(verification.inputs("random", seed: 1), .standard)[0] <= 4)
  }

  /// What is copied is not rounded: the largest element of a row stays equal to itself.
  @Test func copiesAreExact() throws {
    let text = """
      rephase_ir 1
      func @f(%x: tensor<2x3xf32>) -> tensor<2xf32> {
        %0 = reduce %x {reducer = max, dimensions = [1]} : tensor<2xf32>
        %1 = broadcast_in_dim %0 {dimensions = [0]} : tensor<2x3xf32>
        %2 = compare %x, %1 {direction = EQ} : tensor<2x3xf32>
        %3 = reduce %2 {reducer = add, dimensions = [1]} : tensor<2xf32>
        %4 = divide %0, %3 : tensor<2xf32>
        return %4
      }
      """
    guard case .graph(let function) = try DumpReader.read(text, file: "f") else { return }
    let verification = Verification(function, weights: [:])
    let own = try verification.ownRounding(verification.inputs("random", seed: 1), .standard)[0]
    #expect(own > 0 && own < 4)
  }

  /// Gradients have a promise of their own, and what float32 cannot hold on the way is known.
  @Test func gradientsAndRangesAreKnown() throws {
    let item = KernelGradient(inputs: 1, outputs: 1)
    guard case .graph(let gradient) = try DumpReader.read(item.text(between: false), file: "f"),
      case .graph(let model) = try sampleModel()
    else { return }
    let verification = Verification(gradient, weights: [:])
    #expect(verification.promise(.strict) == 256 && verification.promise(.bf16) == 0x1.8p18)
    #expect(try Verification(model, weights: sampleWeights()).promise(.strict) == 16)
    #expect(try !verification.leavesRange(verification.inputs("huge", seed: 1)))
    let large = try item.shapes.map { Tensor<Float>(try Shape($0), repeating: 1e25) }
    #expect(try verification.leavesRange(large))
  }

  @Test func amplifiedRoundingAllowsMore() {
    #expect(Verification.allowed(Precision.standard.promise, ownRounding: 0) == 64)
    #expect(Verification.allowed(Precision.standard.promise, ownRounding: 4) == 64)
    #expect(Verification.allowed(Precision.strict.promise, ownRounding: 12) == 48)
    #expect(Verification.allowed(Precision.strict.promise, ownRounding: 0x1p30) == 0x1p34)
    #expect(Verification.allowed(Precision.strict.promise, ownRounding: .infinity) == 16)
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
