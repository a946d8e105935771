import CRephaseRuntime
import CodeGen
import Diagnostics
import Execution
import LoopIR
import Schedules
import Tensors

/// What the self-test of a library compares with: outputs for its built-in inputs, computed here.
enum Selftest {
  /// Nil where this machine cannot run the target's code.
  static func outputs(
    of model: StagedModel, _ pipeline: Pipeline, _ weights: [String: Tensor<Float>]
  ) throws(Diagnostic) -> [Tensor<Float>]? {
    let runsHere: Void? = try? HostCheck.check(pipeline.target)
    guard runsHere != nil else { return nil }
    let compiled = try ModelSession(
      model, target: pipeline.target, precision: pipeline.precision, choices: pipeline.choices,
      weights: weights)
    return try compiled.session.run(inputs: try inputs(of: compiled.module))
  }

  /// One tensor for each input, as selftest.h defines them.
  static func inputs(of module: LoopModule) throws(Diagnostic) -> [Tensor<Float>] {
    var inputs: [Tensor<Float>] = []
    for item in module.buffers {
      guard case .input = item.role else { continue }
      var tensor = Tensor<Float>(try Shape(item.buffer.extents), repeating: 0)
      let count = Int64(tensor.values.count)
      rephase_selftest_fill(&tensor.values, 0, count, UInt64(inputs.count))
      inputs.append(tensor)
    }
    return inputs
  }

  /// SHA-256 of the outputs' bytes, one output after the other.
  static func digest(_ outputs: [Tensor<Float>]) -> [UInt8] {
    var bytes: [UInt8] = []
    for output in outputs { output.values.withUnsafeBytes { bytes += Array($0) } }
    return Digest.bytes(bytes)
  }
}

/// What the self-test on a GPU asks of the outputs, as the C definitions of `device_selftest.c`.
struct DeviceSelftest {
  /// About so many elements of each output are compared, all of them with its range.
  private static let sampleCount = 1024

  private let outputs: [Tensor<Float>]
  /// Of GPU and CPU together, in units of 2^-23 of an output's largest magnitude.
  private let ulps: Double

  /// Nil where the model is scheduled for its GPU already, so that no code for a CPU can be made of it, or where its
  /// outputs are no numbers.
  init?(
    _ model: StagedModel, _ precision: Precision, _ weights: [String: Tensor<Float>]
  ) throws(Diagnostic) {
    // A fixed target: the samples must not depend on the machine that compiles.
    let pipeline = Pipeline(target: try Targets.resolve("x86-64-v3"), precision: .strict)
    switch model {
    case .graph: break
    case .loops(let module) where module.scheduledFor == nil: break
    default: return nil
    }
    guard let outputs = try Selftest.outputs(of: model, pipeline, weights),
      outputs.allSatisfy({ $0.values.allSatisfy(\.isFinite) })
    else { return nil }
    self.outputs = outputs
    ulps = model.promise(precision) + pipeline.precision.promise
  }

  var definitions: [String] {
    var samples: [Float] = []
    var expected: [String] = []
    for output in outputs {
      // Odd, so that the samples are not all in a few columns.
      let stride = output.values.count / Self.sampleCount | 1
      let (least, greatest) = (output.values.min() ?? 0, output.values.max() ?? 0)
      let tolerance = Float(ulps * 0x1p-23) * max(abs(least), abs(greatest))
      expected.append(
        "{\(stride), \(least - tolerance)f, \(greatest + tolerance)f, \(tolerance)f, "
          + "rephase_selftest_samples + \(samples.count)}")
      samples += Swift.stride(from: 0, to: output.values.count, by: stride).map {
        output.values[$0]
      }
    }
    return [
      "REPHASE_SELFTEST_SAMPLES {\(samples.map { "\($0)f" }.joined(separator: ", "))}",
      "REPHASE_SELFTEST_EXPECTED {\(expected.joined(separator: ", "))}",
    ]
  }
}
