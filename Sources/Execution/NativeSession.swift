import CRephaseRuntime
import CodeGen
import Diagnostics
import LLVM
import LoopIR
import Schedules
import Tensors

/// A model as machine code in this process, with its constants: ready to run.
public final class NativeSession {
  /// One kernel call of the program: which kernel it runs.
  public let callNames: [String]
  public let constants: AlignedMemory
  let inputs: [HostTensor]
  let outputs: [HostTensor]
  let workspaceBytes: Int
  let whole: rephase_kernels
  let calls: [rephase_kernels]
  /// Where the result of each call lies.
  let callResults: [CallResult?]
  /// What each call reads or writes.
  let callBuffers: [Set<String>]
  private let jit: JIT

  /// Compiles the module for the target and folds the weights into constants.
  ///
  /// `timingCalls` makes each kernel call runnable alone (`Runner.runCall`).
  public convenience init(
    _ module: LoopModule, target: Schedules.Target, parameters: [String: Tensor<Float>],
    timingCalls: Bool = false
  ) throws(Diagnostic) {
    try HostCheck.check(target)
    let code = try CodeGenerator(target: target).kernels(
      of: module, prefix: "model", hidden: false, separateCalls: timingCalls)
    try code.optimize()
    try self.init(
      module, code: code, constants: try Preparation.constants(of: module, parameters: parameters),
      prefix: "model", timingCalls: timingCalls)
  }

  /// Links code that was generated elsewhere (a parsed dump, for instance) as `<prefix>_kernels`, not hidden.
  public convenience init(
    _ module: LoopModule, code: borrowing GeneratedCode, constants: AlignedMemory,
    prefix: String, timingCalls: Bool = false
  ) throws(Diagnostic) {
    try self.init(
      module, object: try code.object(), constants: constants, prefix: prefix,
      timingCalls: timingCalls)
  }

  /// Links an object file that has `<prefix>_kernels`, not hidden.
  public init(
    _ module: LoopModule, object: [UInt8], constants: AlignedMemory, prefix: String,
    timingCalls: Bool = false
  ) throws(Diagnostic) {
    inputs = try module.hostInputs()
    outputs = try module.hostOutputs()
    workspaceBytes = try module.workspaceByteCount()
    guard constants.byteCount >= (try module.constantLayout().byteCount) else {
      throw Diagnostic("the constants of \(module.name) are not complete")
    }
    self.constants = constants
    callNames = module.run.compactMap { statement in
      if case .call(let name, _) = statement { return name }
      return nil
    }
    callResults = CallResult.all(of: module)
    callBuffers = CallResult.buffers(of: module)
    let jit = try JIT(objects: [object])
    whole = try Self.function(jit, prefix + "_kernels")
    var calls: [rephase_kernels] = []
    for number in callNames.indices where timingCalls {
      calls.append(try Self.function(jit, "\(prefix)_call_\(number)"))
    }
    self.calls = calls
    self.jit = jit
  }

  private static func function(
    _ jit: borrowing JIT, _ name: String
  ) throws(Diagnostic) -> rephase_kernels {
    unsafeBitCast(try jit.address(of: name), to: rephase_kernels.self)
  }

  /// One inference; `threads` 0 means all cores. Throws where the inputs are not the model's.
  public func run(
    inputs: [Tensor<Float>], threads: Int = 0
  ) throws(Diagnostic) -> [Tensor<Float>] {
    let runner = makeRunner(threads: threads)
    try runner.setInputs(inputs)
    runner.runOnce()
    return try runner.results()
  }

  /// Buffers and threads to run again and again.
  public func makeRunner(threads: Int = 0) -> Runner {
    Runner(self, threads: threads)
  }
}
