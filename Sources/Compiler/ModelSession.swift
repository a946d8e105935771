import CodeGen
import Diagnostics
import Execution
import LoopIR
import Schedules
import Tensors

/// A model ready to run natively in this process, from whatever stage it was given at.
public struct ModelSession {
  public let session: NativeSession
  /// The scheduled module, or the interface of a later stage's dump.
  public let module: LoopModule

  /// Carries the model on to machine code and folds the weights.
  ///
  /// Throws where a weight is missing, choices do not fit, or the target's code cannot run here.
  public init(
    _ model: StagedModel, target: Target, precision: Precision = .standard,
    choices: ScheduleChoices? = nil, weights: [String: Tensor<Float>], timingCalls: Bool = false
  ) throws(Diagnostic) {
    let pipeline = Pipeline(target: target, precision: precision, choices: choices)
    module = try pipeline.scheduled(model)
    try MemoryLimit.check(module)
    let constants = try Preparation.constants(of: module, parameters: weights)
    try HostCheck.check(target)
    let name = module.name
    switch model {
    case .graph, .loops:
      let code = try pipeline.code(module, hidden: false, timingCalls: timingCalls)
      session = try NativeSession(
        module, code: code, constants: constants, prefix: name, timingCalls: timingCalls)
    case .llvm(let text, _):
      let visible = LLVMText.visible(text, from: name, to: name)
      let code = try GeneratedCode(parsing: visible, target: target)
      session = try NativeSession(module, code: code, constants: constants, prefix: name)
    case .ptx: throw HostCheck.needsGPU("PTX")
    case .assembly(let text, _):
      let object = try Assembly.object(text, from: name, to: name)
      session = try NativeSession(module, object: object, constants: constants, prefix: name)
    }
  }
}
