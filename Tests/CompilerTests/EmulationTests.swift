import CodeGen
import Diagnostics
import LoopIR
import Tensors
import Testing

@testable import Compiler

/// Kernels for GPUs in the emulator against the float64 reference.
@Suite struct EmulationTests {
  private func input(_ extents: [Int]) throws -> Tensor<Float> {
    var tensor = Tensor<Float>(try Shape(extents), repeating: 0)
    for position in tensor.values.indices {
      tensor.values[position] = Float(position * 37 % 101 - 50) / 50
    }
    return tensor
  }

  @Test(arguments: ["sm_80", "sm_90"], Precision.allCases)
  func aConvolutionKeepsThePromise(_ target: String, _ precision: Precision) throws {
    guard case .graph(let function) = try sampleModel() else { return }
    let model = try EmulatedModel(
      try sampleModel(), target: try Targets.resolve(target), precision: precision,
      weights: try sampleWeights())
    let verification = Verification(function, weights: try sampleWeights())
    for kind in Verification.inputKinds {
      let inputs = verification.inputs(kind, seed: 1)
      let rows = try verification.compare(kind, inputs, native: model.run)
      #expect(rows.allSatisfy { $0.ulps <= precision.promise }, "\(kind)")
    }
  }

  @Test func aPTXDumpRunsToo() throws {
    let target = try Targets.resolve("sm_90")
    let text = try StageWriter(target: target, precision: .strict).text(
      of: try sampleModel(), at: .ptx)
    let inputs = [try input([1, 3, 4, 5])]
    let outputs = try [try sampleModel(), try DumpReader.read(text, file: "dump")].map {
      try EmulatedModel($0, target: target, precision: .strict, weights: try sampleWeights())
        .run(inputs: inputs)[0].values
    }
    #expect(outputs[0] == outputs[1])
  }

  @Test func aKernelWithoutItsBarrierIsCaught() throws {
    let target = try Targets.resolve("sm_90")
    let text = try StageWriter(target: target, precision: .strict).text(
      of: try sampleModel(), at: .ptx)
    let broken = text.replacing("bar.sync", with: "//")
    #expect(broken != text)
    let model = try EmulatedModel(
      try DumpReader.read(broken, file: "dump"), target: target, precision: .strict,
      weights: try sampleWeights())
    #expect {
      _ = try model.run(inputs: [try input([1, 3, 4, 5])])
    } throws: {
      "\($0)".contains("shared memory")
    }
  }
}
