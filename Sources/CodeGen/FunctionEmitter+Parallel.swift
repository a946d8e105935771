import CLLVM
import Diagnostics
import LoopIR

/// Parallel loops: the body becomes a function of its own, handed to the runtime with what it uses from outside.
///
/// Two functions are made: the task, which the runtime calls and which unpacks the captured values, and the range,
/// which gets them as parameters, so that LLVM keeps knowing that the buffers do not overlap.
extension FunctionEmitter {
  /// A value from outside that the loop's body may use, and how the body's emitter takes it in.
  private struct Capture {
    var value: LLVMValueRef
    var adopt: (FunctionEmitter, LLVMValueRef) -> Void
    /// Set for buffers: what their pointer is known to be.
    var slot: Slot?
  }

  func outline(
    _ loop: Loop, _ lower: LinearIndex, _ upper: LinearIndex
  ) throws(EmitFailure) {
    guard let parallel else { return try serial(loop, lower, upper) }
    let captures = captures(lower)
    var types: [LLVMTypeRef?] = captures.map { LLVMTypeOf($0.value) }
    let record: LLVMTypeRef = LLVMStructTypeInContext(
      unit.context, &types, UInt32(types.count), 0)
    let name = unit.unusedName("\(unit.symbol(kernel.name)).\(unit.symbol(loop.variable))")
    let range = try emitRange(name, loop, lower, captures)
    let task = emitTask(name + ".task", range, record, captures.count)
    let memory = stackSlot(record, 1, alignment: 16, name: "captures")
    for (position, capture) in captures.enumerated() {
      let field = LLVMBuildStructGEP2(builder, record, memory, UInt32(position), "")
      LLVMBuildStore(builder, capture.value, field)
    }
    // An empty range is the runtime's to see; a negative one becomes empty here.
    let count = intrinsic("llvm.smax", [materialize(upper - lower), integer(0)])
    unit.callRuntime(builder, parallel, count, task, memory)
  }

  /// Buffers, index symbols and `let`s in scope, in an order that depends on names alone.
  private func captures(_ lower: LinearIndex) -> [Capture] {
    var captures: [Capture] = []
    for (name, slot) in slots.sorted(by: { $0.key < $1.key })
    where slot.buffer.space != .register {
      let adopt = { (inner: FunctionEmitter, value: LLVMValueRef) in
        var copy = slot
        copy.pointer = value
        inner.slots[name] = copy
      }
      captures.append(Capture(value: slot.pointer, adopt: adopt, slot: slot))
    }
    for symbol in usedSymbols(lower) {
      captures.append(
        Capture(value: symbols[symbol], adopt: { $0.symbols[symbol] = $1 }, slot: nil))
    }
    for (name, value) in bindings.sorted(by: { $0.key < $1.key }) {
      switch value {
      case .index, .truth: break
      case .boolean(let test, _):
        let adopt = { (inner: FunctionEmitter, value: LLVMValueRef) in
          inner.bindings[name] = .boolean(value, lanes: false)
        }
        captures.append(Capture(value: test, adopt: adopt, slot: nil))
      case .element(let element, let type, _):
        let adopt = { (inner: FunctionEmitter, value: LLVMValueRef) in
          inner.bindings[name] = .element(value, type, lanes: false)
        }
        captures.append(Capture(value: element, adopt: adopt, slot: nil))
      }
    }
    return captures
  }

  private func usedSymbols(_ lower: LinearIndex) -> [Int] {
    var used = Set(lower.terms.map(\.symbol))
    for case .index(let index) in bindings.values { used.formUnion(index.terms.map(\.symbol)) }
    return used.sorted()
  }

  /// `range(captures..., begin, end)`: the iterations begin ..< end, counted from 0.
  private func emitRange(
    _ name: String, _ loop: Loop, _ lower: LinearIndex, _ captures: [Capture]
  ) throws(EmitFailure) -> LLVMValueRef {
    let types = captures.map { LLVMTypeOf($0.value) as LLVMTypeRef } + [unit.i64, unit.i64]
    let range = unit.function(name, types)
    let inner = FunctionEmitter(unit: unit, kernel: kernel, function: range)
    inner.symbols = symbols.map { LLVMGetPoison(LLVMTypeOf($0)) }
    inner.bindings = bindings
    inner.emittedStatements = emittedStatements
    for (position, capture) in captures.enumerated() {
      let parameter: LLVMValueRef = LLVMGetParam(range, UInt32(position))
      if let slot = capture.slot { unit.describe(range, position, slot) }
      capture.adopt(inner, parameter)
    }
    let begin = inner.symbol(LLVMGetParam(range, UInt32(captures.count)))
    let end = inner.symbol(LLVMGetParam(range, UInt32(captures.count + 1)))
    try inner.serial(loop, lower + begin, lower + end)
    LLVMBuildRetVoid(inner.builder)
    emittedStatements = inner.emittedStatements
    return range
  }

  /// `task(captures, begin, end)`, as the runtime calls it.
  private func emitTask(
    _ name: String, _ range: LLVMValueRef, _ record: LLVMTypeRef, _ count: Int
  ) -> LLVMValueRef {
    let task = unit.function(name, [unit.pointer, unit.i64, unit.i64])
    let builder = LLVMCreateBuilderInContext(unit.context)
    defer { LLVMDisposeBuilder(builder) }
    LLVMPositionBuilderAtEnd(
      builder, LLVMAppendBasicBlockInContext(unit.context, task, "entry"))
    var arguments: [LLVMValueRef?] = (0..<UInt32(count)).map { position in
      let field = LLVMBuildStructGEP2(builder, record, LLVMGetParam(task, 0), position, "")
      return LLVMBuildLoad2(builder, LLVMStructGetTypeAtIndex(record, position), field, "")
    }
    arguments += [LLVMGetParam(task, 1), LLVMGetParam(task, 2)]
    LLVMBuildCall2(
      builder, LLVMGlobalGetValueType(range), range, &arguments, UInt32(arguments.count), "")
    LLVMBuildRetVoid(builder)
    return task
  }
}
