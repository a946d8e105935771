import CLLVM
import Diagnostics
import LoopIR
import Schedules

/// Products of matrices in shared memory by warp groups (`wgmma`), of which LLVM 19 knows nothing.
///
/// They are inline assembly on the threads' sums: each instruction takes them all and gives them back, so that LLVM keeps
/// what is done with them on its side of fences and waits.
extension FunctionEmitter {
  func warpGroup(_ step: WarpGroupStep) throws(EmitFailure) {
    switch step {
    case .fence: try throughAssembly("wgmma.fence.sync.aligned;", try allSums())
    case .multiply(let product): try multiply(product)
    case .commit: try throughAssembly("wgmma.commit_group.sync.aligned;", [])
    case .wait(let groups):
      try throughAssembly("wgmma.wait_group.sync.aligned \(groups);", try allSums())
    case .publish: try throughAssembly("fence.proxy.async.shared::cta;", [])
    }
  }

  private func multiply(_ product: WarpGroupProduct) throws(EmitFailure) {
    let sums = try sums(product.sum)
    let a = try descriptor(product.left)
    let b = try descriptor(product.right)
    let element = try slot(product.left.buffer, dimensions: product.left.indices.count)
      .buffer.element
    guard let shape = MatrixShape(of: element) else {
      throw complain(
        "kernel \(kernel.name): matrices of \(element.rawValue) cannot be multiplied on a GPU")
    }
    let type = element == .f32 ? "tf32" : element.rawValue
    let columns = sums.count / MatrixShape.sumCount * MatrixShape.columns
    let registers = sums.indices.map { "$\($0)" }.joined(separator: ", ")
    // Added to the sums, no signs changed; 16-bit factors could be transposed besides.
    let flags = element == .f32 ? "1, 1, 1" : "1, 1, 1, 0, 0"
    try throughAssembly(
      "wgmma.mma_async.sync.aligned.m64n\(columns)k\(shape.depth).f32.\(type).\(type) "
        + "{\(registers)}, $\(2 * sums.count), $\(2 * sums.count + 1), \(flags);",
      sums, [a, b])
  }

  /// An element of a thread's part of a register buffer.
  private struct Place {
    var slot: Slot
    var index: LinearIndex
  }

  /// Of all products of the kernel whose sums are there by now.
  private func allSums() throws(EmitFailure) -> [Place] {
    var places: [Place] = []
    for name in grid?.sums ?? [] {
      guard let slot = slots[name] else { continue }
      let count = slot.buffer.extents.dropFirst().reduce(1, *)
      places += (0..<count).map { Place(slot: slot, index: LinearIndex($0)) }
    }
    return places
  }

  /// What a thread holds of one product's sum.
  private func sums(_ operand: MatrixProduct.Fragment) throws(EmitFailure) -> [Place] {
    let slot = try slot(operand.buffer, dimensions: operand.indices.count + 3)
    guard slot.isPerThread, slot.buffer.extents[0] == grid?.size.threads else {
      throw complain(
        "kernel \(kernel.name): %\(operand.buffer) is not in the registers of all threads, so "
          + "their warp groups cannot multiply to it")
    }
    let zeros = Array(repeating: Expression.integer(0), count: 2)
    let first = try flat(slot, [.integer(0)] + operand.indices + zeros)
    let count = slot.buffer.extents.suffix(2).reduce(1, *)
    return (0..<count).map { Place(slot: slot, index: first + LinearIndex($0)) }
  }

  /// One instruction on sums, which it may change, and other operands; it stays where it is.
  private func throughAssembly(
    _ text: String, _ sums: [Place], _ operands: [LLVMValueRef] = []
  ) throws(EmitFailure) {
    let float = try unit.type(.f32)
    var arguments: [LLVMValueRef?] = []
    for place in sums { arguments.append(try read(place.slot, place.index, as: float)) }
    arguments += operands
    let constraints =
      sums.map { _ in "=f" } + sums.indices.map(String.init) + operands.map { _ in "l" }
      + ["~{memory}"]
    var results: [LLVMTypeRef?] = sums.map { _ in float }
    var types: [LLVMTypeRef?] = arguments.map { LLVMTypeOf($0) }
    let result: LLVMTypeRef =
      sums.isEmpty
      ? LLVMVoidTypeInContext(unit.context)
      : LLVMStructTypeInContext(unit.context, &results, UInt32(results.count), 0)
    let type: LLVMTypeRef = LLVMFunctionType(result, &types, UInt32(types.count), 0)
    let call = assembly(text, constraints.joined(separator: ","), type, &arguments)
    for (number, place) in sums.enumerated() {
      let value: LLVMValueRef = LLVMBuildExtractValue(builder, call, UInt32(number), "")
      try write(value, place.slot, place.index)
    }
  }

  /// Instructions that all threads of a warp take part in; `isPure` where results follow from operands alone.
  func assembly(
    _ text: String, _ constraints: String, _ type: LLVMTypeRef,
    _ arguments: inout [LLVMValueRef?], isPure: Bool = false
  ) -> LLVMValueRef {
    var (code, rules) = (Array(text.utf8CString), Array(constraints.utf8CString))
    let value: LLVMValueRef = LLVMGetInlineAsm(
      type, &code, code.count - 1, &rules, rules.count - 1, isPure ? 0 : 1, 0,
      LLVMInlineAsmDialectATT, 0)
    let call: LLVMValueRef = LLVMBuildCall2(
      builder, type, value, &arguments, UInt32(arguments.count), "")
    for attribute in ["convergent", "nounwind"] + (isPure ? ["willreturn"] : []) {
      unit.add(attribute, toCall: call)
    }
    return call
  }

  /// The 64 bits that say where a matrix lies: first address, LBO and SBO, each in units of 16 bytes.
  ///
  /// Source: PTX ISA, "Matrix Descriptor Format"; no swizzling is 0, and so is the base offset then.
  private func descriptor(_ matrix: SharedMatrix) throws(EmitFailure) -> LLVMValueRef {
    let slot = try slot(matrix.buffer, dimensions: matrix.indices.count)
    let lanes = SharedMatrix.rowBytes / slot.buffer.element.byteCount
    var first = try flat(slot, matrix.indices)
    if matrix.groupStep > 0, let grid {
      let group = unsigned(LinearIndex(0), grid.thread, WarpGroupProduct.threads).quotient
      first = first.adding(group, times: matrix.groupStep)
    }
    let isWhole =
      first.constant % lanes == 0 && first.terms.allSatisfy { $0.coefficient % lanes == 0 }
    guard isWhole, first.lane == 0, matrix.steps.allSatisfy({ $0 % lanes == 0 }) else {
      throw complain(
        "kernel \(kernel.name): what is multiplied of %\(matrix.buffer) is not made of whole units of "
          + "16 bytes")
    }
    var units = first.symbolic
    for number in units.terms.indices { units.terms[number].coefficient /= lanes }
    let address = LLVMBuildPtrToInt(builder, slot.pointer, unit.i32, "")
    let shift: LLVMValueRef = LLVMConstInt(unit.i32, 4, 0)
    let start = LLVMBuildAnd(
      builder, LLVMBuildLShr(builder, address, shift, ""), LLVMConstInt(unit.i32, 0x3FFF, 0), "")
    let moved = LLVMBuildAdd(builder, start, materialize(units), "")
    let long: LLVMTypeRef = LLVMInt64TypeInContext(unit.context)
    let steps = (matrix.columnStep / lanes) << 16 | (matrix.rowStep / lanes) << 32
    let constant: LLVMValueRef = LLVMConstInt(
      long, UInt64(bitPattern: Int64(first.constant / lanes + steps)), 0)
    return LLVMBuildAdd(builder, LLVMBuildZExt(builder, moved, long, ""), constant, "")
  }
}

extension LoopModule {
  /// Whether what `run` does takes products of warp groups, which only some GPUs have.
  public var usesWarpGroups: Bool {
    run.contains { statement in
      guard case .call(let name, _) = statement, let kernel = kernel(named: name) else {
        return false
      }
      return !kernel.body.warpGroupProducts.isEmpty
    }
  }
}
