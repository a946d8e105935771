import CodeGen
import Diagnostics
import Execution
import GraphIR
import LoopIR
import Operations
import Schedules
import Tensors
import Testing

/// Every operation's machine code against its float64 reference and, bit for bit, against the loop interpreter.
///
/// The interpreter's fused multiply-add rounds once, so identity is asked for where this machine has that too.
@Suite struct NativeTests {
  private func check(
    _ item: Case, _ inputs: [[Tensor<Double>]], isScheduled: Bool, _ what: String
  ) throws {
    let function = try item.floatFunction()
    let target = try Targets.resolve("native")
    var module = try GraphLowering.lower(function)
    if isScheduled { module = Scheduler.schedule(module, for: target) }
    module = PlanMemory.apply(to: module)
    let session = try NativeSession(
      module, target: target, parameters: item.parameters.mapValues { $0.map { Float($0) } })
    for inputs in inputs {
      let native = try session.run(inputs: inputs.map { $0.map { Float($0) } })
        .map { $0.map { Double($0) } }
      let reference = try Reference.evaluate(function, inputs: inputs, parameters: item.parameters)
      try expectClose(native, reference, .f32, what)
      if target.hasFMA && !isScheduled {
        let interpreted = try LoopInterpreter.run(
          module, parameters: item.parameters, inputs: inputs)
        expectIdentical(native, interpreted, anyZero: item.operation is Maximum.Type, what)
      }
    }
  }

  @Test(arguments: Case.all, [false, true])
  func computesTheReference(_ item: Case, isScheduled: Bool) throws {
    try check(item, [item.inputs], isScheduled: isScheduled, "random operands")
  }

  @Test(arguments: Case.all, [false, true])
  func keepsNaNWhereTheReferenceDoes(_ item: Case, isScheduled: Bool) throws {
    try check(item, item.inputsWithNaN, isScheduled: isScheduled, "NaN in one operand")
  }

  @Test(arguments: Case.elementwise, [false, true])
  func computesOddValues(_ item: Case, isScheduled: Bool) throws {
    try check(item, [item.oddInputs], isScheduled: isScheduled, "odd values")
  }
}
