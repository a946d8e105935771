import CRephaseRuntime
import CodeGen
import Diagnostics
import LLVM
import LoopIR
import Schedules
import Tensors

/// Turns the user's weights into a model's constants: runs the module's `prepare` program on this machine.
public enum Preparation {
  private typealias Function =
    @convention(c) (
      UnsafePointer<UnsafeRawPointer?>, UnsafeMutableRawPointer, UnsafeMutableRawPointer,
      UnsafePointer<rephase_parallel>?
    ) -> Void

  /// The blob of constants (`LoopModule.constantLayout`), the same for every host: nothing in it is fused or
  /// reordered by processor. Throws where a parameter is missing or has another shape.
  public static func constants(
    of module: LoopModule, parameters: [String: Tensor<Float>]
  ) throws(Diagnostic) -> AlignedMemory {
    var tensors: [Tensor<Float>] = []
    for parameter in try module.hostParameters() {
      guard let tensor = parameters[parameter.name] else {
        throw Diagnostic(
          "the weights have no '\(parameter.name)', which \(module.name) needs",
          help: "give the weights of this network and these settings")
      }
      try parameter.check(tensor, "weight")
      tensors.append(tensor)
    }
    let constants = AlignedMemory(byteCount: try module.constantLayout().byteCount)
    if module.prepare.isEmpty { return constants }
    let scratch = AlignedMemory(byteCount: try module.scratchLayout().byteCount)
    try run(module, tensors, constants, scratch)
    return constants
  }

  private static func run(
    _ module: LoopModule, _ tensors: [Tensor<Float>], _ constants: AlignedMemory,
    _ scratch: AlignedMemory
  ) throws(Diagnostic) {
    var target = try Targets.resolve("native")
    target.hasFMA = false
    let code = try CodeGenerator(target: target).preparation(of: module, prefix: "model")
    try code.optimize()
    let jit = try JIT(objects: [try code.object()])
    let function = unsafeBitCast(try jit.address(of: "model_prepare"), to: Function.self)
    let memories = tensors.map { tensor in
      let memory = AlignedMemory(byteCount: tensor.values.count * 4)
      memory.fill(tensor.values)
      return memory
    }
    let pool = ThreadPool(threads: 1)
    let pointers = memories.map { UnsafeRawPointer($0.pointer) as UnsafeRawPointer? } + [nil]
    withExtendedLifetime((memories, pool)) {
      function(pointers, constants.pointer, scratch.pointer, pool.parallel)
    }
  }
}
