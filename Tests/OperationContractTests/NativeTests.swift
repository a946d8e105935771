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
    _ item: Case, _ inputs: [[Tensor<Double>]], isScheduled: Bool,
    precision: Precision = .standard, _ what: String
  ) throws {
    let function = try item.floatFunction()
    let target = try Targets.resolve("native")
    var module = try GraphLowering.lower(function)
    if isScheduled {
      module = Scheduler.schedule(module, for: target, precision: precision)
    }
    module = PlanMemory.apply(to: module)
    let session = try Self.session(item, module, target)
    for inputs in inputs {
      let native = try Self.results(session, inputs)
      let reference = try Reference.evaluate(function, inputs: inputs, parameters: item.parameters)
      try expectClose(native, reference, .f32, what)
      if target.hasFMA && !isScheduled {
        let interpreted = try LoopInterpreter.run(
          module, parameters: item.parameters, inputs: inputs)
        expectIdentical(native, interpreted, anyZero: item.operation is Maximum.Type, what)
      }
    }
  }

  private static func session(
    _ item: Case, _ module: LoopModule, _ target: Target
  ) throws -> NativeSession {
    try NativeSession(
      module, target: target, parameters: item.parameters.mapValues { $0.map { Float($0) } })
  }

  private static func results(
    _ session: NativeSession, _ inputs: [Tensor<Double>]
  ) throws -> [Tensor<Double>] {
    try session.run(inputs: inputs.map { $0.map { Float($0) } }).map { $0.map { Double($0) } }
  }

  @Test(arguments: Case.all, [false, true])
  func computesTheReference(_ item: Case, isScheduled: Bool) throws {
    try check(item, [item.inputs], isScheduled: isScheduled, "random operands")
  }

  @Test(arguments: Case.all, [false, true])
  func keepsNaNWhereTheReferenceDoes(_ item: Case, isScheduled: Bool) throws {
    try check(
      item, item.inputsWithNaN, isScheduled: isScheduled, precision: .strict, "NaN in one operand")
  }

  /// The transforms of Winograd's algorithm may spread a NaN over a tile, but never lose one.
  @Test(arguments: Case.all) func hidesNoNaN(_ item: Case) throws {
    let (function, target) = (try item.floatFunction(), try Targets.resolve("native"))
    let module = Scheduler.schedule(try GraphLowering.lower(function), for: target)
    let session = try Self.session(item, PlanMemory.apply(to: module), target)
    for inputs in item.inputsWithNaN {
      let reference = try Reference.evaluate(function, inputs: inputs, parameters: item.parameters)
      let results = try Self.results(session, inputs)
      if !session.callNames.contains(where: { $0.contains("_winograd") }) {
        try expectClose(results, reference, .f32, "NaN in one operand")
      }
      for (native, wanted) in zip(results, reference) {
        let hidden = zip(native.values, wanted.values).contains { !$0.isNaN && $1.isNaN }
        #expect(!hidden, "a NaN of the reference is a number")
      }
    }
  }

  @Test(arguments: Case.elementwise, [false, true])
  func computesOddValues(_ item: Case, isScheduled: Bool) throws {
    try check(item, [item.oddInputs], isScheduled: isScheduled, "odd values")
  }
}
