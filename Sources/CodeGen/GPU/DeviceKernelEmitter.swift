import CLLVM
import Diagnostics
import LoopIR
import Tensors

/// Emits one kernel as an entry point that the driver can launch.
struct DeviceKernelEmitter {
  /// LLVM's number for the calling convention of PTX kernels.
  private static let kernelConvention: UInt32 = 71
  /// Global memory.
  private static let globalSpace: UInt32 = 1

  private let unit: ModuleEmitter

  init(_ unit: ModuleEmitter) { self.unit = unit }

  /// `uses` are the buffers of each launch, in order of the parameters.
  func emit(_ kernel: Kernel, as entry: String, _ uses: [[ModuleBuffer]]) throws(Diagnostic) {
    let grid = try KernelGrid(of: kernel)
    let pointer: LLVMTypeRef = LLVMPointerTypeInContext(unit.context, Self.globalSpace)
    let types = Array(repeating: pointer, count: kernel.parameters.count)
    let function = unit.declare(unit.unusedName(entry), types)
    LLVMSetFunctionCallConv(function, Self.kernelConvention)
    // Some versions of LLVM look at the convention, some at the metadata.
    annotate(function, "kernel", 1)
    annotate(function, "maxntidx", grid.threads)
    if let gpu = unit.target.gpu { annotate(function, "maxnreg", gpu.registers(of: grid.threads)) }
    let emitter = FunctionEmitter(unit: unit, kernel: kernel, function: function)
    for (position, parameter) in kernel.parameters.enumerated() {
      let buffer = parameter.buffer
      try checkIndices(of: buffer, kernel)
      let alignments = uses.map { $0.indices.contains(position) ? $0[position].alignment : 1 }
      let slot = Slot(
        buffer: buffer, pointer: LLVMGetParam(function, UInt32(position)),
        alignment: max(buffer.element.byteCount, alignments.min() ?? 1),
        isReadOnly: parameter.access == .read)
      unit.describe(function, position, slot)
      emitter.slots[buffer.name] = slot
    }
    emitter.enterGrid(grid)
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

  /// Indices have 32 bits on GPUs.
  private func checkIndices(of buffer: Buffer, _ kernel: Kernel) throws(Diagnostic) {
    guard try buffer.checkedSpan() <= Int(Int32.max) else {
      throw Diagnostic(
        "kernel \(kernel.name): %\(buffer.name) has more than 2^31 - 1 elements, too many for a GPU",
        help: "use a smaller batch")
    }
  }

  /// `!nvvm.annotations = !{!{ptr @function, !"key", i32 value}}`.
  private func annotate(_ function: LLVMValueRef, _ key: String, _ value: Int) {
    var operands: [LLVMMetadataRef?] = [
      LLVMValueAsMetadata(function),
      LLVMMDStringInContext2(unit.context, key, key.utf8.count),
      LLVMValueAsMetadata(LLVMConstInt(unit.i32, UInt64(value), 0)),
    ]
    let node = LLVMMDNodeInContext2(unit.context, &operands, operands.count)
    LLVMAddNamedMetadataOperand(
      unit.module, "nvvm.annotations", LLVMMetadataAsValue(unit.context, node))
  }
}

extension ModuleBuffer {
  /// Bytes that its address on the device is known to be a multiple of: allocations are aligned to 256, and
  /// temporaries and constants lie at multiples of 64 in theirs.
  fileprivate var alignment: Int {
    switch role {
    case .slice: return buffer.element.byteCount
    case .temporary(let offset?) where offset > 0: return min(64, offset & -offset)
    default: return 64
    }
  }
}
