import Compiler
import Diagnostics
import Execution
import Schedules
import Tensors

extension ResolvedModel {
  /// The model's compiled form, ready to run: in this process, or on this machine's GPU.
  func compiled(
    for target: Target, _ options: ModelOptions, _ tuned: TunedSchedule? = nil
  ) throws -> ([Tensor<Float>]) throws(Diagnostic) -> [Tensor<Float>] {
    let choices = try tuned?.choices()
    guard target.gpu == nil else {
      let device = try locating {
        try DeviceModel(
          staged, target: target, precision: options.precision, choices: choices, weights: weights)
      }
      return device.run
    }
    let session = try locating {
      try ModelSession(
        staged, target: target, precision: options.precision, choices: choices, weights: weights
      ).session
    }
    return { (inputs) throws(Diagnostic) in
      try session.run(inputs: inputs, threads: options.threads)
    }
  }
}
