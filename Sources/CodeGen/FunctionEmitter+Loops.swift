import CLLVM
import Diagnostics
import LoopIR

/// Loops of each kind but the parallel one.
extension FunctionEmitter {
  func emit(_ loop: Loop) throws(EmitFailure) {
    let lower = try index(loop.lower)
    let upper = try index(loop.upper)
    let extent = (upper - lower).asConstant
    if let extent, extent <= 0 { return }
    if grid != nil, loop.kind == .gpuBlock || loop.kind == .gpuThread {
      return try onGrid(loop, lower)
    }
    if extent == 1 { return try iteration(loop, lower) }
    switch loop.kind {
    case .parallel where parallel != nil && lanes == nil:
      try outline(loop, lower, upper)
    case .serial, .parallel: try serial(loop, lower, upper)
    case .unrolled:
      if let extent {
        for step in 0..<extent { try iteration(loop, lower + LinearIndex(step)) }
      } else {
        try serial(loop, lower, upper)
      }
    case .vectorized:
      // A loop in vectors cannot hold another one: the outer then goes lane by lane.
      guard lanes == nil else { throw .needsScalarLanes }
      if let extent { try vectorized(loop, lower, extent) } else { try serial(loop, lower, upper) }
    case .gpuBlock, .gpuThread:
      throw complain(
        "kernel \(kernel.name): the loop over %\(loop.variable) is scheduled for a GPU",
        help: "schedule the model for a CPU target")
    }
  }

  /// The body once, with the loop's variable bound.
  func iteration(_ loop: Loop, _ value: LinearIndex) throws(EmitFailure) {
    try countStatement()
    let outer = bindings[loop.variable]
    bindings[loop.variable] = .index(value)
    try emit(loop.body)
    bindings[loop.variable] = outer
  }

  /// A loop tested at its end; a test before it where the range may be empty.
  func serial(
    _ loop: Loop, _ lower: LinearIndex, _ upper: LinearIndex
  ) throws(EmitFailure) {
    guard lower.lane == 0, upper.lane == 0 else { throw .needsScalarLanes }
    let (first, last) = (materialize(lower), materialize(upper))
    let body = block(loop.variable)
    let exit = block("\(loop.variable).end")
    let before = LLVMGetInsertBlock(builder)
    if let extent = (upper - lower).asConstant, extent > 0 {
      LLVMBuildBr(builder, body)
    } else {
      LLVMBuildCondBr(builder, LLVMBuildICmp(builder, LLVMIntSLT, first, last, ""), body, exit)
    }
    let outer = cache
    LLVMPositionBuilderAtEnd(builder, body)
    let counter: LLVMValueRef = LLVMBuildPhi(builder, unit.index, loop.variable)
    let value = symbol(counter)
    markCounter(value, from: lower)
    try iteration(loop, value)
    let next = LLVMBuildNSWAdd(builder, counter, integer(1), "")
    let again = LLVMBuildICmp(builder, LLVMIntSLT, next, last, "")
    var values: [LLVMValueRef?] = [first, next]
    var blocks: [LLVMBasicBlockRef?] = [before, LLVMGetInsertBlock(builder)]
    LLVMAddIncoming(counter, &values, &blocks, 2)
    let back: LLVMValueRef = LLVMBuildCondBr(builder, again, body, exit)
    if grid != nil, loop.body.multipliesMatrices { keepRolled(back) }
    cache = outer
    LLVMPositionBuilderAtEnd(builder, exit)
  }

  /// Lanes of one vector value at most: four registers; longer loops go in steps of two.
  private func vectorized(
    _ loop: Loop, _ lower: LinearIndex, _ extent: Int
  ) throws(EmitFailure) {
    let register = max(unit.target.floatLanes, 1)
    guard extent > 4 * register else { return try vector(loop, lower, extent) }
    let width = 2 * register
    let name = loop.variable + ".group"
    let start: Expression = .variable(name)
    var group = loop
    group.lower = start
    group.upper = start + .integer(width)
    // Each group starts `width` after the one before.
    let outer = bindings[name]
    var steps = Loop(name + ".count", .integer(0), .integer(extent / width), body: [])
    bindings[loop.variable + ".lower"] = .index(lower)
    steps.body = [
      .bind(
        name,
        .variable(loop.variable + ".lower") + .variable(steps.variable) * .integer(width)),
      .loop(group),
    ]
    try emit(steps)
    bindings[name] = outer
    bindings[loop.variable + ".lower"] = nil
    let rest = extent % width
    if rest == 1 { return try iteration(loop, lower + LinearIndex(extent - 1)) }
    if rest > 1 { try vector(loop, lower + LinearIndex(extent - rest), rest) }
  }

  /// All lanes at once; where the body does not allow it, what was emitted is erased and each lane gets its own code.
  private func vector(
    _ loop: Loop, _ lower: LinearIndex, _ extent: Int
  ) throws(EmitFailure) {
    let before: LLVMBasicBlockRef = LLVMGetInsertBlock(builder)
    let saved = (bindings, slots, cache, symbols.count, stackBytes)
    let attempt = block("\(loop.variable).vector")
    LLVMPositionBuilderAtEnd(builder, attempt)
    var variable = lower
    variable.lane = 1
    cache.splats = [:]
    lanes = extent
    defer {
      lanes = nil
      cache.splats = saved.2.splats
    }
    do throws(EmitFailure) {
      try iteration(loop, variable)
      join(before, to: attempt)
    } catch {
      guard case .needsScalarLanes = error else { throw error }
      erase(from: attempt)
      LLVMPositionBuilderAtEnd(builder, before)
      lanes = nil
      (bindings, slots, cache) = (saved.0, saved.1, saved.2)
      symbols.removeSubrange(saved.3...)
      stackBytes = saved.4
      for lane in 0..<extent { try iteration(loop, lower + LinearIndex(lane)) }
    }
  }

  /// Ends `before` with a jump to `next`, without moving the place of emission.
  private func join(_ before: LLVMBasicBlockRef, to next: LLVMBasicBlockRef) {
    let here = LLVMGetInsertBlock(builder)
    LLVMPositionBuilderAtEnd(builder, before)
    LLVMBuildBr(builder, next)
    LLVMPositionBuilderAtEnd(builder, here)
  }

  /// Deletes `first` and all blocks made after it; nothing outside uses their values.
  private func erase(from first: LLVMBasicBlockRef) {
    var blocks: [LLVMBasicBlockRef] = []
    var next: LLVMBasicBlockRef? = first
    while let block = next {
      blocks.append(block)
      next = LLVMGetNextBasicBlock(block)
    }
    for block in blocks { eraseInstructions(of: block) }
    for block in blocks { LLVMDeleteBasicBlock(block) }
  }

  private func eraseInstructions(of block: LLVMBasicBlockRef) {
    while let instruction = LLVMGetLastInstruction(block) {
      if LLVMGetTypeKind(LLVMTypeOf(instruction)) != LLVMVoidTypeKind {
        LLVMReplaceAllUsesWith(instruction, LLVMGetPoison(LLVMTypeOf(instruction)))
      }
      LLVMInstructionEraseFromParent(instruction)
    }
  }
}
