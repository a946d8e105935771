import CLLVM
import Diagnostics
import LLVM
import LoopIR
import Schedules

/// Emits the entry points of a model and the kernels they call.
final class ProgramEmitter {
  private let unit: ModuleEmitter
  private let source: LoopModule
  private var kernels: [String: LLVMValueRef] = [:]

  init(_ ir: borrowing IRModule, _ source: LoopModule, target: Schedules.Target) {
    unit = ModuleEmitter(ir, target: target)
    self.source = source
  }

  /// Where a program finds a buffer: at an offset in bytes behind a pointer of a table, or into a block.
  enum Place {
    case table(argument: Int, index: Int, offset: Int)
    case block(argument: Int, offset: Int)

    /// The place of a slice that starts at the element of this number; nil for what no slice is of.
    func moved(by elements: Int, _ slice: Buffer) throws(Diagnostic) -> Place? {
      guard case .table(let argument, let index, let offset) = self else { return nil }
      let (bytes, overflow) = elements.multipliedReportingOverflow(by: slice.element.byteCount)
      guard !overflow, elements >= 0, bytes <= 1 << 44 else {
        throw Diagnostic("the slice %\(slice.name) cannot start at element \(elements)")
      }
      return .table(argument: argument, index: index, offset: offset + bytes)
    }

    /// Bytes that its address is known to be a multiple of.
    func alignment(elementBytes: Int) -> Int {
      switch self {
      // The host's own memory: aligned to elements, no more.
      case .table: return elementBytes
      case .block(_, let offset): return offset == 0 ? 64 : min(64, offset & -offset)
      }
    }
  }

  /// Emits one entry point per list of calls; all take `arguments` pointers, the last one the parallel runtime.
  func emit(
    _ entries: [(name: String, calls: [Statement])], places: [String: Place], arguments: Int,
    hidden: Bool
  ) throws(Diagnostic) {
    var calls: [Call] = []
    for entry in entries { calls += try resolve(entry.calls) }
    for entry in entries { _ = unit.unusedName(entry.name) }
    for kernel in source.kernels {
      let uses = calls.filter { $0.kernel.name == kernel.name }
      if !uses.isEmpty { try emit(kernel, uses.map(\.buffers), places) }
    }
    for entry in entries {
      let function = unit.entry(entry.name, parameters: arguments, hidden: hidden)
      try emit(function, try resolve(entry.calls), places)
    }
  }

  private typealias Call = (kernel: Kernel, buffers: [Buffer])

  private func resolve(_ statements: [Statement]) throws(Diagnostic) -> [Call] {
    var calls: [Call] = []
    for statement in statements { calls.append(try resolve(statement)) }
    return calls
  }

  /// The kernel and buffers of a call; throws where they do not exist or do not fit.
  private func resolve(_ statement: Statement) throws(Diagnostic) -> Call {
    guard case .call(let name, let arguments) = statement else {
      throw Diagnostic("programs of \(source.name) may only call kernels")
    }
    guard let kernel = source.kernel(named: name) else {
      throw Diagnostic("there is no kernel \(name)")
    }
    guard kernel.parameters.count == arguments.count else {
      throw Diagnostic(
        "kernel \(name) takes \(kernel.parameters.count) buffers, not \(arguments.count)")
    }
    var buffers: [Buffer] = []
    for (parameter, argument) in zip(kernel.parameters, arguments) {
      guard let buffer = source.buffer(named: argument)?.buffer else {
        throw Diagnostic("there is no buffer %\(argument) to call \(name) with")
      }
      guard buffer.element == parameter.buffer.element,
        try buffer.checkedSpan() >= parameter.buffer.checkedSpan()
      else {
        throw Diagnostic(
          "%\(argument) does not fit parameter %\(parameter.buffer.name) of kernel \(name)")
      }
      if parameter.access.writes, arguments.filter({ $0 == argument }).count > 1 {
        throw Diagnostic("kernel \(name) would write %\(argument) and use it a second time")
      }
      buffers.append(buffer)
    }
    return (kernel, buffers)
  }

  private func emit(
    _ kernel: Kernel, _ uses: [[Buffer]], _ places: [String: Place]
  ) throws(Diagnostic) {
    let count = kernel.parameters.count
    let name = unit.unusedName(unit.symbol(kernel.name))
    let function = unit.function(name, Array(repeating: unit.pointer, count: count + 1))
    let emitter = FunctionEmitter(unit: unit, kernel: kernel, function: function)
    for (position, parameter) in kernel.parameters.enumerated() {
      let bytes = parameter.buffer.element.byteCount
      let alignment = uses.compactMap { places[$0[position].name]?.alignment(elementBytes: bytes) }
      let slot = Slot(
        buffer: parameter.buffer, pointer: LLVMGetParam(function, UInt32(position)),
        alignment: alignment.min() ?? bytes, isReadOnly: parameter.access == .read)
      unit.describe(function, position, slot)
      emitter.slots[parameter.buffer.name] = slot
    }
    emitter.parallel = LLVMGetParam(function, UInt32(count))
    kernels[kernel.name] = function
    do throws(EmitFailure) {
      try emitter.emit(kernel.body)
    } catch {
      switch error {
      case .diagnostic(let diagnostic): throw diagnostic
      case .needsScalarLanes:
        throw Diagnostic("kernel \(kernel.name): a vector is used outside its loop")
      }
    }
    LLVMBuildRetVoid(emitter.builder)
  }

  private func emit(
    _ function: LLVMValueRef, _ calls: [Call], _ places: [String: Place]
  ) throws(Diagnostic) {
    let builder: LLVMBuilderRef = LLVMCreateBuilderInContext(unit.context)
    defer { LLVMDisposeBuilder(builder) }
    LLVMPositionBuilderAtEnd(
      builder, LLVMAppendBasicBlockInContext(unit.context, function, "entry"))
    let parallel = LLVMGetParam(function, LLVMCountParams(function) - 1)
    for call in calls {
      guard let kernel = kernels[call.kernel.name] else { continue }
      var arguments: [LLVMValueRef?] = []
      for buffer in call.buffers {
        guard let place = places[buffer.name] else {
          throw Diagnostic("%\(buffer.name) cannot be used in this program of \(source.name)")
        }
        arguments.append(pointer(builder, function, place))
      }
      arguments.append(parallel)
      LLVMBuildCall2(
        builder, LLVMGlobalGetValueType(kernel), kernel, &arguments, UInt32(arguments.count), "")
    }
    LLVMBuildRetVoid(builder)
  }

  private func pointer(
    _ builder: LLVMBuilderRef, _ function: LLVMValueRef, _ place: Place
  ) -> LLVMValueRef {
    switch place {
    case .table(let argument, let index, let offset):
      var step: [LLVMValueRef?] = [LLVMConstInt(unit.i64, UInt64(index), 0)]
      let field = LLVMBuildGEP2(
        builder, unit.pointer, LLVMGetParam(function, UInt32(argument)), &step, 1, "")
      return moved(builder, LLVMBuildLoad2(builder, unit.pointer, field, ""), by: offset)
    case .block(let argument, let offset):
      return moved(builder, LLVMGetParam(function, UInt32(argument)), by: offset)
    }
  }

  private func moved(
    _ builder: LLVMBuilderRef, _ pointer: LLVMValueRef, by bytes: Int
  ) -> LLVMValueRef {
    if bytes == 0 { return pointer }
    var step: [LLVMValueRef?] = [LLVMConstInt(unit.i64, UInt64(bytes), 0)]
    return LLVMBuildGEP2(
      builder, LLVMInt8TypeInContext(unit.context), pointer, &step, 1, "")
  }
}
