import CLLVM
import Diagnostics
import LoopIR
import Tensors

/// Products of matrices by tensor cores.
extension FunctionEmitter {
  /// Products by every warp; the elements of a fragment lie in registers as the instructions want them.
  func multiply(_ product: MatrixProduct) throws(EmitFailure) {
    let element = try fragment(product.left).buffer.element
    guard let shape = MatrixShape(of: element) else {
      throw complain(
        "kernel \(kernel.name): matrices of \(element.rawValue) cannot be multiplied on a GPU")
    }
    let a = try factors(product.left, shape.leftCount / shape.packing, shape)
    let b = try factors(product.right, shape.rightCount / shape.packing, shape)
    let sum = try fragment(product.sum)
    let c = try (0..<MatrixShape.sumCount).map { element throws(EmitFailure) in
      try read(sum, at(product.sum, element), as: unit.type(shape.sum))
    }
    let results: [LLVMValueRef]
    switch element {
    case .f64: results = try inDouble(a, b, c)
    default:
      let type = element == .f32 ? "tf32" : element.rawValue
      // LLVM 19 does not know that all threads must take part: it might move a product whose sum is used under a
      // condition there.
      let result = call(
        "llvm.nvvm.mma.m16n8k\(shape.depth).row.col.\(type)", a + b + c,
        attributes: ["convergent", "willreturn"])
      results = elements(of: result, MatrixShape.sumCount)
    }
    for (element, value) in results.enumerated() {
      try write(value, sum, at(product.sum, element))
    }
  }

  private func elements(of result: LLVMValueRef, _ count: Int) -> [LLVMValueRef] {
    (0..<count).map { LLVMBuildExtractValue(builder, result, UInt32($0), "") }
  }

  /// One m16n8k8, or before sm_90, which has no others, four m8n8k4: in both halves of the rows the first half of the
  /// depth, then the second.
  private func inDouble(
    _ a: [LLVMValueRef], _ b: [LLVMValueRef], _ c: [LLVMValueRef]
  ) throws(EmitFailure) -> [LLVMValueRef] {
    if Targets.leastCapability(of: unit.target) >= 90 {
      return try inDouble("m16n8k8", a, b, c)
    }
    let upper = try inDouble("m8n8k4", [a[0]], [b[0]], [c[0], c[1]])
    let lower = try inDouble("m8n8k4", [a[1]], [b[0]], [c[2], c[3]])
    return try inDouble("m8n8k4", [a[2]], [b[1]], upper)
      + inDouble("m8n8k4", [a[3]], [b[1]], lower)
  }

  /// As text, since LLVM 19 knows no other f64 products than m8n8k4.
  private func inDouble(
    _ shape: String, _ a: [LLVMValueRef], _ b: [LLVMValueRef], _ c: [LLVMValueRef]
  ) throws(EmitFailure) -> [LLVMValueRef] {
    var first = 0
    func registers(_ count: Int) -> String {
      defer { first += count }
      return "{" + (first..<first + count).map { "$\($0)" }.joined(separator: ", ") + "}"
    }
    let operands = [c.count, a.count, b.count, c.count].map(registers).joined(separator: ", ")
    let text = "mma.sync.aligned.\(shape).row.col.f64.f64.f64.f64 \(operands);"
    let constraints =
      Array(repeating: "=d", count: c.count)
      + Array(repeating: "d", count: a.count + b.count + c.count)
    var results: [LLVMTypeRef?] = Array(repeating: try unit.type(.f64), count: c.count)
    var arguments: [LLVMValueRef?] = a + b + c
    var types: [LLVMTypeRef?] = arguments.map { LLVMTypeOf($0) }
    let type: LLVMTypeRef = LLVMFunctionType(
      LLVMStructTypeInContext(unit.context, &results, UInt32(results.count), 0), &types,
      UInt32(types.count), 0)
    let result = assembly(
      text, constraints.joined(separator: ","), type, &arguments, isPure: true)
    return elements(of: result, c.count)
  }

  /// One `ldmatrix.sync` by every warp.
  func loadMatrices(_ load: MatrixLoad) throws(EmitFailure) {
    let target = try slot(load.target.buffer)
    let source = try slot(load.source, dimensions: load.indices.count)
    let packing = MatrixLoad.bytes / target.buffer.element.byteCount
    guard isOfAllThreads(target), let grid, let elements = load.elements(of: target.buffer) else {
      throw complain(
        "kernel \(kernel.name): matrices cannot be loaded to %\(load.target.buffer): it is not in the "
          + "registers of all threads, or not in one piece")
    }
    bindings[load.thread] = .index(grid.thread)
    let type = try unit.type(source.buffer.element)
    let address = deviceAddress(source, try flat(source, load.indices), type)
    bindings[load.thread] = nil
    let form = "x\(elements / packing)" + (load.isTransposed ? ".trans" : "")
    let name = "llvm.nvvm.ldmatrix.sync.aligned.m8n8.\(form).b16"
    let words = call(name, [address], overloads: [LLVMTypeOf(address)])
    let zeros = Array(
      repeating: Expression.integer(0),
      count: target.buffer.extents.count - 1 - load.target.indices.count)
    let first = try flat(target, [.integer(0)] + load.target.indices + zeros)
    let scalar = try unit.type(target.buffer.element)
    let word: LLVMTypeRef = packing == 1 ? scalar : LLVMVectorType(scalar, UInt32(packing))
    for number in 0..<elements / packing {
      let bits: LLVMValueRef =
        elements == packing ? words : LLVMBuildExtractValue(builder, words, UInt32(number), "")
      let value: LLVMValueRef = LLVMBuildBitCast(builder, bits, word, "")
      try write(value, target, first + LinearIndex(number * packing))
    }
  }

  /// Tells the assembler not to unroll a loop, where that makes it spill registers: schedules have unrolled theirs.
  func keepRolled(_ branch: LLVMValueRef) {
    guard let gpu = unit.target.gpu, gpu.spareRegisters > 0 else { return }
    let name = "llvm.loop.unroll.disable"
    let text: LLVMMetadataRef = LLVMMDStringInContext2(unit.context, name, name.utf8.count)
    var flag: [LLVMMetadataRef?] = [text]
    // A loop's node names itself first.
    let itself: LLVMMetadataRef = LLVMTemporaryMDNode(unit.context, nil, 0)
    var operands: [LLVMMetadataRef?] = [itself, LLVMMDNodeInContext2(unit.context, &flag, 1)]
    let node: LLVMMetadataRef = LLVMMDNodeInContext2(unit.context, &operands, 2)
    LLVMMetadataReplaceAllUsesWith(itself, node)
    let kind = "llvm.loop"
    LLVMSetMetadata(
      branch, LLVMGetMDKindIDInContext(unit.context, kind, UInt32(kind.utf8.count)),
      LLVMMetadataAsValue(unit.context, node))
  }

  /// The buffer of an operand, of which every thread of the grid has a part.
  private func fragment(_ operand: MatrixProduct.Fragment) throws(EmitFailure) -> Slot {
    let slot = try slot(operand.buffer, dimensions: operand.indices.count + 2)
    guard isOfAllThreads(slot) else {
      throw complain(
        "kernel \(kernel.name): %\(operand.buffer) is not in the registers of all threads, so "
          + "their warps cannot multiply it")
    }
    return slot
  }

  private func isOfAllThreads(_ slot: Slot) -> Bool {
    slot.isPerThread && slot.buffer.extents[0] == grid?.size.threads
  }

  /// The place of an element in the thread's part.
  private func at(
    _ operand: MatrixProduct.Fragment, _ element: Int
  ) throws(EmitFailure) -> LinearIndex {
    try flat(
      try fragment(operand), [.integer(0)] + operand.indices + [.integer(element)])
  }

  /// 32-bit registers, each with as many elements as fit, or f64 values.
  private func factors(
    _ operand: MatrixProduct.Fragment, _ count: Int, _ shape: MatrixShape
  ) throws(EmitFailure) -> [LLVMValueRef] {
    let slot = try fragment(operand)
    let scalar = try unit.type(slot.buffer.element)
    let type: LLVMTypeRef =
      shape.packing == 1 ? scalar : LLVMVectorType(scalar, UInt32(shape.packing))
    return try (0..<count).map { register throws(EmitFailure) in
      let value = try read(slot, at(operand, register * shape.packing), as: type)
      return slot.buffer.element == .f64 ? value : LLVMBuildBitCast(builder, value, unit.i32, "")
    }
  }
}

extension [Statement] {
  var multipliesMatrices: Bool {
    var found = false
    forEachStatement { if case .multiply = $0 { found = true } }
    return found
  }
}
