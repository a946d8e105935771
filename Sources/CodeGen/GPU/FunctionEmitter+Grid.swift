import CLLVM
import Diagnostics
import LoopIR
import Tensors

/// Where the code that is being emitted stands in the grid.
struct Grid {
  var size: KernelGrid
  /// The number of the block, of which nested loops take their part, and of the thread.
  var block: LinearIndex
  var thread: LinearIndex
  var isInThread = false
  var sharedBytes = 0
  /// Buffers that products of warp groups add to, in the order of their names.
  var sums: [String] = []
  /// Symbols whose values are never negative.
  var nonNegative: Set<Int> = []
}

/// Index arithmetic, in which GPUs want one 32-bit sum for each address and unsigned divisions.
extension FunctionEmitter {
  private func markNonNegative(_ index: LinearIndex) {
    for term in index.terms { grid?.nonNegative.insert(term.symbol) }
  }

  /// Whether it follows from what is known of its symbols.
  func isNonNegative(_ index: LinearIndex) -> Bool {
    guard let grid, index.constant >= 0, index.lane >= 0 else { return false }
    return index.terms.allSatisfy {
      $0.coefficient > 0 && grid.nonNegative.contains($0.symbol)
    }
  }

  /// Marks a loop's counter that starts at such a value.
  func markCounter(_ counter: LinearIndex, from lower: LinearIndex) {
    if grid != nil, isNonNegative(lower) { markNonNegative(counter) }
  }

  /// (exact + rest / divisor, rest mod divisor), each as one value.
  func unsigned(
    _ exact: LinearIndex, _ rest: LinearIndex, _ divisor: Int
  ) -> (quotient: LinearIndex, remainder: LinearIndex) {
    let value = materialize(rest)
    let quotient = symbol(LLVMBuildUDiv(builder, value, integer(divisor), ""))
    let remainder = symbol(LLVMBuildURem(builder, value, integer(divisor), ""))
    for index in [quotient, remainder] { markNonNegative(index) }
    return (exact + quotient, remainder)
  }

  /// The constant goes last, so that it ends in the instruction.
  func deviceAddress(_ slot: Slot, _ index: LinearIndex, _ type: LLVMTypeRef) -> LLVMValueRef {
    var pointer = slot.pointer
    for part in [index.symbolic, LinearIndex(index.constant)] where part != LinearIndex(0) {
      var step: [LLVMValueRef?] = [materialize(part)]
      pointer = LLVMBuildGEP2(builder, type, pointer, &step, 1, "")
    }
    return pointer
  }
}

/// Loops over blocks and threads, barriers and shared memory.
extension FunctionEmitter {
  /// Reads the special registers; before anything else of the kernel is emitted.
  func enterGrid(_ size: KernelGrid) {
    let block = symbol(specialRegister("ctaid"))
    let thread = symbol(specialRegister("tid"))
    grid = Grid(size: size, block: block, thread: thread)
    grid?.sums = Set(kernel.body.warpGroupProducts.map(\.sum.buffer)).sorted()
    for index in [block, thread] { markNonNegative(index) }
  }

  private func specialRegister(_ name: String) -> LLVMValueRef {
    call("llvm.nvvm.read.ptx.sreg.\(name).x")
  }

  func barrier() { _ = call("llvm.nvvm.barrier0") }

  /// An intrinsic; `overloads` are the types in which it has several signatures.
  func call(
    _ intrinsic: String, _ arguments: [LLVMValueRef] = [], overloads: [LLVMTypeRef] = [],
    attributes: [String] = []
  ) -> LLVMValueRef {
    let identifier = LLVMLookupIntrinsicID(intrinsic, intrinsic.utf8.count)
    var types: [LLVMTypeRef?] = overloads
    let declaration = LLVMGetIntrinsicDeclaration(unit.module, identifier, &types, types.count)
    var operands: [LLVMValueRef?] = arguments
    let result: LLVMValueRef = LLVMBuildCall2(
      builder, LLVMGlobalGetValueType(declaration), declaration, &operands,
      UInt32(operands.count), "")
    for attribute in attributes { unit.add(attribute, toCall: result) }
    return result
  }

  /// The body once, for this block or this thread.
  func onGrid(_ loop: Loop, _ lower: LinearIndex) throws(EmitFailure) {
    guard let grid, let extent = loop.constantExtent else {
      throw complain("kernel \(kernel.name): the bounds of %\(loop.variable) are not constants")
    }
    if loop.kind == .gpuBlock { return try onBlocks(loop, lower) }
    self.grid?.isInThread = true
    defer { self.grid?.isInThread = false }
    guard extent < grid.size.threads else { return try iteration(loop, lower + grid.thread) }
    let works = block(loop.variable)
    let join = block("\(loop.variable).end")
    let test = LLVMBuildICmp(
      builder, LLVMIntSLT, materialize(grid.thread), integer(extent), "")
    LLVMBuildCondBr(builder, test, works, join)
    let outer = cache
    LLVMPositionBuilderAtEnd(builder, works)
    try iteration(loop, lower + grid.thread)
    LLVMBuildBr(builder, join)
    cache = outer
    LLVMPositionBuilderAtEnd(builder, join)
  }

  /// Splits the block's number among nested loops, the innermost changing fastest.
  private func onBlocks(_ loop: Loop, _ lower: LinearIndex) throws(EmitFailure) {
    guard let grid else { return }
    let inner = loop.body.count == 1 ? Self.blockCount(loop.body[0]) : 1
    var own = grid.block
    if inner > 1 {
      let name = loop.variable + ".number"
      bindings[name] = .index(grid.block)
      own = try index(.binary(.divide, .variable(name), .integer(inner)))
      self.grid?.block = try index(.binary(.remainder, .variable(name), .integer(inner)))
      bindings[name] = nil
    }
    try iteration(loop, lower + own)
    self.grid?.block = grid.block
  }

  /// Blocks of a nest of `gpu_block` loops.
  private static func blockCount(_ statement: Statement) -> Int {
    guard case .loop(let loop) = statement, loop.kind == .gpuBlock else { return 1 }
    return (loop.constantExtent ?? 1) * (loop.body.count == 1 ? blockCount(loop.body[0]) : 1)
  }

  /// Memory of the block: declared with the kernel, or a part of what each launch asks for.
  func allocateShared(_ buffer: Buffer) throws(EmitFailure) {
    let bytes = try sharedByteCount(buffer)
    let limit = unit.target.gpu?.sharedBytes ?? 0
    guard let size = grid?.size, let offset = grid?.sharedBytes, bytes <= limit - offset else {
      throw complain(
        "kernel \(kernel.name): its shared buffers, up to %\(buffer.name), need more than "
          + "\(limit >> 10) KiB", help: "use smaller tiles")
    }
    grid?.sharedBytes = offset + bytes
    if size.dynamicSharedBytes > 0 {
      var step: [LLVMValueRef?] = [integer(offset)]
      let byte: LLVMTypeRef = LLVMInt8TypeInContext(unit.context)
      let pointer: LLVMValueRef = LLVMBuildGEP2(
        builder, byte, unit.dynamicSharedMemory(), &step, 1, "")
      slots[buffer.name] = Slot(
        buffer: buffer, pointer: pointer, alignment: min(buffer.alignment, 16), isReadOnly: false)
      return
    }
    let type = LLVMArrayType2(try unit.type(buffer.element), UInt64(try checkedSpan(of: buffer)))
    let name = unit.unusedName("\(unit.symbol(kernel.name))_\(unit.symbol(buffer.name))")
    let global: LLVMValueRef = LLVMAddGlobalInAddressSpace(unit.module, type, name, 3)
    LLVMSetLinkage(global, LLVMInternalLinkage)
    LLVMSetInitializer(global, LLVMGetPoison(type))
    let alignment = min(buffer.alignment, 64)
    LLVMSetAlignment(global, UInt32(alignment))
    slots[buffer.name] = Slot(
      buffer: buffer, pointer: global, alignment: alignment, isReadOnly: false)
  }

  private func sharedByteCount(_ buffer: Buffer) throws(EmitFailure) -> Int {
    do throws(Diagnostic) { return try buffer.sharedByteCount() } catch { throw .diagnostic(error) }
  }
}

extension ModuleEmitter {
  /// The symbol of the bytes that a launch asks for, of all kernels.
  fileprivate func dynamicSharedMemory() -> LLVMValueRef {
    let name = "rephase_shared"
    if let known = LLVMGetNamedGlobal(module, name) { return known }
    let type = LLVMArrayType2(LLVMInt8TypeInContext(context), 0)
    let global: LLVMValueRef = LLVMAddGlobalInAddressSpace(module, type, name, 3)
    LLVMSetAlignment(global, 128)
    return global
  }
}
