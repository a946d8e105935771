import CLLVM
import Diagnostics
import LoopIR
import Tensors

/// Loads, stores and allocations.
extension FunctionEmitter {
  func slot(_ name: String) throws(EmitFailure) -> Slot {
    guard let slot = slots[name] else {
      throw complain(
        "kernel \(kernel.name): buffer %\(name) cannot be reached here",
        help: "register buffers live inside one iteration of a parallel loop")
    }
    return slot
  }

  func slot(_ name: String, dimensions: Int) throws(EmitFailure) -> Slot {
    let slot = try slot(name)
    guard dimensions == slot.buffer.extents.count else {
      throw complain(
        "kernel \(kernel.name): %\(name) has \(slot.buffer.extents.count) dimensions, not \(dimensions)"
      )
    }
    return slot
  }

  /// The position in the buffer, in elements.
  func flat(_ slot: Slot, _ indices: [Expression]) throws(EmitFailure) -> LinearIndex {
    var sum = LinearIndex(0)
    for (expression, stride) in zip(indices, slot.buffer.strides).dropFirst(
      slot.isPerThread ? 1 : 0)
    {
      sum = sum.adding(try index(expression), times: stride)
    }
    return sum
  }

  /// The address of an element: one step per symbol, outermost first (so that loops hoist them), the constant last
  /// (so that it ends in the instruction).
  private func address(_ slot: Slot, _ index: LinearIndex) throws(EmitFailure) -> LLVMValueRef {
    let type = try unit.type(slot.buffer.element)
    if grid != nil { return deviceAddress(slot, index, type) }
    var pointer = slot.pointer
    var prefix = LinearIndex(0)
    for term in index.terms {
      prefix.terms.append(term)
      let key = AddressKey(base: slot.pointer, index: prefix)
      if let known = cache.addresses[key] {
        pointer = known
      } else {
        var step: [LLVMValueRef?] = [scaled(term)]
        pointer = LLVMBuildGEP2(builder, type, pointer, &step, 1, "")
        cache.addresses[key] = pointer
      }
    }
    if index.constant != 0 {
      var step: [LLVMValueRef?] = [integer(index.constant)]
      pointer = LLVMBuildGEP2(builder, type, pointer, &step, 1, "")
    }
    return pointer
  }

  private func alignment(_ slot: Slot, _ index: LinearIndex) -> UInt32 {
    UInt32(
      index.provenAlignment(
        elementBytes: slot.buffer.element.byteCount, base: slot.alignment))
  }

  func read(
    _ slot: Slot, _ index: LinearIndex, as type: LLVMTypeRef
  ) throws(EmitFailure) -> LLVMValueRef {
    let value: LLVMValueRef = LLVMBuildLoad2(builder, type, try address(slot, index), "")
    LLVMSetAlignment(value, alignment(slot, index))
    return value
  }

  func write(
    _ value: LLVMValueRef, _ slot: Slot, _ index: LinearIndex
  ) throws(EmitFailure) {
    let store: LLVMValueRef = LLVMBuildStore(builder, value, try address(slot, index))
    LLVMSetAlignment(store, alignment(slot, index))
  }

  func load(_ name: String, _ indices: [Expression]) throws(EmitFailure) -> Emitted {
    let slot = try slot(name, dimensions: indices.count)
    let element = slot.buffer.element
    let scalar = try unit.type(element)
    let position = try flat(slot, indices)
    guard position.lane != 0, let lanes else {
      return .element(try read(slot, position, as: scalar), element, lanes: false)
    }
    let vector: LLVMTypeRef = LLVMVectorType(scalar, UInt32(lanes))
    if position.lane == 1 {
      return .element(
        try read(slot, position.firstLane, as: vector), element, lanes: true)
    }
    var value: LLVMValueRef = LLVMGetPoison(vector)
    for lane in 0..<lanes {
      let one = try read(slot, position.at(lane: lane), as: scalar)
      value = LLVMBuildInsertElement(builder, value, one, integer(lane), "")
    }
    return .element(value, element, lanes: true)
  }

  func store(
    _ name: String, _ indices: [Expression], _ expression: Expression
  ) throws(EmitFailure) {
    let slot = try slot(name, dimensions: indices.count)
    guard !slot.isReadOnly else {
      throw complain("kernel \(kernel.name): %\(name) is an input and cannot be written")
    }
    let position = try flat(slot, indices)
    guard case .element(let value, slot.buffer.element, let wide) = try emit(expression) else {
      throw complain("kernel \(kernel.name): what is stored to %\(name) is not of its type")
    }
    guard grid == nil || grid?.isInThread == true else {
      throw complain(
        "kernel \(kernel.name): %\(name) is stored to outside of gpu_thread loops",
        help: "say which thread stores it")
    }
    guard let lanes else { return try write(value, slot, position) }
    guard position.lane != 0 else {
      throw complain(
        "kernel \(kernel.name): all lanes of a vectorized loop write the same element of %\(name)",
        help: "make the loop serial, or index the buffer by its variable")
    }
    if position.lane == 1 {
      return try write(wide ? value : splat(value, lanes), slot, position.firstLane)
    }
    for lane in 0..<lanes {
      let one: LLVMValueRef =
        wide ? LLVMBuildExtractElement(builder, value, integer(lane), "") : value
      try write(one, slot, position.at(lane: lane))
    }
  }

  func allocate(_ buffer: Buffer) throws(EmitFailure) {
    guard lanes == nil else { throw .needsScalarLanes }
    if grid != nil, buffer.space == .shared { return try allocateShared(buffer) }
    guard buffer.space == .stack || buffer.space == .register else {
      throw complain(
        "kernel \(kernel.name): %\(buffer.name) asks for \(buffer.space.rawValue) memory inside a kernel",
        help: "on CPUs kernels allocate stack and register buffers")
    }
    let type = try unit.type(buffer.element)
    // Of a buffer of all threads, each keeps its own part.
    let isPerThread = grid.map { !$0.isInThread } ?? false
    var part = buffer
    if isPerThread { part.extents[0] = 1 }
    let span = try checkedSpan(of: part)
    let (bytes, overflow) = span.multipliedReportingOverflow(by: buffer.element.byteCount)
    guard !overflow, bytes <= Self.maximumStackBytes - stackBytes else {
      throw complain(
        "kernel \(kernel.name): its buffers, up to %\(buffer.name), need more than "
          + "\(Self.maximumStackBytes >> 10) KiB of stack")
    }
    stackBytes += bytes
    let alignment = max(min(buffer.alignment, 64), buffer.element.byteCount)
    let pointer = stackSlot(type, max(span, 1), alignment: alignment, name: buffer.name)
    slots[buffer.name] = Slot(
      buffer: buffer, pointer: pointer, alignment: alignment, isReadOnly: false,
      isPerThread: isPerThread)
  }

  func checkedSpan(of buffer: Buffer) throws(EmitFailure) -> Int {
    do throws(Diagnostic) { return try buffer.checkedSpan() } catch { throw .diagnostic(error) }
  }
}

extension Buffer {
  /// `spanElements`, or a diagnostic where extents or strides are no layout or the sum does not fit.
  func checkedSpan() throws(Diagnostic) -> Int {
    guard extents.count == strides.count, extents.allSatisfy({ $0 > 0 }),
      strides.allSatisfy({ $0 >= 0 }), alignment > 0, alignment & (alignment - 1) == 0
    else { throw Diagnostic("buffer %\(name) has no valid extents, strides and alignment") }
    var span = 1
    for (extent, stride) in zip(extents, strides) {
      let (reach, first) = (extent - 1).multipliedReportingOverflow(by: stride)
      let (sum, second) = span.addingReportingOverflow(reach)
      guard !first, !second, sum <= 1 << 40 else {
        throw Diagnostic("buffer %\(name) is larger than any memory")
      }
      span = sum
    }
    return span
  }
}
