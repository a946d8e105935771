import CLLVM
import Diagnostics
import LoopIR
import Tensors

/// Copies from global to shared memory that threads need not wait for at once (`cp.async`).
extension FunctionEmitter {
  func commitGroup() { _ = call("llvm.nvvm.cp.async.commit.group") }

  func waitGroup(_ groups: Int) {
    let count: LLVMValueRef = LLVMConstInt(unit.i32, UInt64(groups), 0)
    _ = call("llvm.nvvm.cp.async.wait.group", [count])
  }

  /// The lanes of a vectorized loop in as few copies as their alignment allows.
  func copy(_ copy: AsyncCopy) throws(EmitFailure) {
    guard case .load(let name, let indices) = copy.source, grid?.isInThread == true else {
      throw complain(
        "kernel \(kernel.name): what is copied to %\(copy.buffer) is no element, or no thread copies it"
      )
    }
    let target = try slot(copy.buffer, dimensions: copy.indices.count)
    let source = try slot(name, dimensions: indices.count)
    let (to, from) = (try flat(target, copy.indices), try flat(source, indices))
    guard target.buffer.element == source.buffer.element, lanes == nil || to.lane != 0 else {
      throw complain(
        "kernel \(kernel.name): %\(name) cannot be copied to %\(copy.buffer): types differ, or all "
          + "lanes have one element")
    }
    let condition = try copy.condition.map { (condition) throws(EmitFailure) in
      try uniform(condition)
    }
    let isContiguous = to.lane == 1 && from.lane == 1
    var lane = 0
    while lane < lanes ?? 1 {
      let piece = Piece(
        target: target, to: to.at(lane: lane), source: source, from: from.at(lane: lane),
        condition: condition ?? nil)
      let count = piece.count(atMost: isContiguous ? (lanes ?? 1) - lane : 1)
      if count > 0 { try startCopy(piece, count) } else { try copyAtOnce(piece) }
      lane += max(count, 1)
    }
  }

  /// Nil where it holds.
  private func uniform(_ condition: Expression) throws(EmitFailure) -> LLVMValueRef? {
    switch try emit(condition) {
    case .truth(let holds):
      return holds ? nil : LLVMConstInt(LLVMInt1TypeInContext(unit.context), 0, 0)
    case .boolean(let test, lanes: false): return test
    default: throw .needsScalarLanes
    }
  }

  /// Neighbouring elements that are copied at once.
  private struct Piece {
    var target: Slot
    var to: LinearIndex
    var source: Slot
    var from: LinearIndex
    var condition: LLVMValueRef?

    var elementBytes: Int { target.buffer.element.byteCount }

    /// How many elements one instruction can copy: 4, 8 or 16 bytes, aligned to that; 0 where it can copy none.
    func count(atMost limit: Int) -> Int {
      let alignment = min(
        to.provenAlignment(elementBytes: elementBytes, base: target.alignment),
        from.provenAlignment(elementBytes: elementBytes, base: source.alignment))
      let bytes = [16, 8, 4].first { $0 <= alignment && $0 <= limit * elementBytes } ?? 0
      return bytes / elementBytes
    }
  }

  /// Where the condition does not hold nothing is read: the address is then the start of the buffer.
  private func sourceAddress(_ piece: Piece) throws(EmitFailure) -> LLVMValueRef {
    guard let condition = piece.condition else {
      return try deviceAddress(piece.source, piece.from, unit.type(piece.source.buffer.element))
    }
    let place = LLVMBuildSelect(builder, condition, materialize(piece.from), integer(0), "")
    let type = try unit.type(piece.source.buffer.element)
    var step: [LLVMValueRef?] = [place]
    return LLVMBuildGEP2(builder, type, piece.source.pointer, &step, 1, "")
  }

  private func startCopy(_ piece: Piece, _ count: Int) throws(EmitFailure) {
    let bytes = count * piece.elementBytes
    let type = try unit.type(piece.target.buffer.element)
    // Copies of 16 bytes can pass the L1 cache by.
    let name = "llvm.nvvm.cp.async.\(bytes == 16 ? "cg" : "ca").shared.global.\(bytes)"
    let addresses = [
      deviceAddress(piece.target, piece.to, type), try sourceAddress(piece),
    ]
    guard let condition = piece.condition else {
      _ = call(name, addresses)
      return
    }
    let size: LLVMValueRef = LLVMBuildSelect(
      builder, condition, LLVMConstInt(unit.i32, UInt64(bytes), 0),
      LLVMConstInt(unit.i32, 0, 0), "")
    _ = call(name + ".s", addresses + [size])
  }

  /// Through a register: for 2 bytes, which the instruction cannot copy.
  private func copyAtOnce(_ piece: Piece) throws(EmitFailure) {
    let type = try unit.type(piece.target.buffer.element)
    let address = try sourceAddress(piece)
    var value: LLVMValueRef = LLVMBuildLoad2(builder, type, address, "")
    LLVMSetAlignment(value, UInt32(piece.elementBytes))
    if let condition = piece.condition {
      value = LLVMBuildSelect(builder, condition, value, LLVMConstNull(type), "")
    }
    try write(value, piece.target, piece.to)
  }
}
