import CLLVM
import Diagnostics
import LoopIR

/// Statements other than loops.
extension FunctionEmitter {
  /// Emits a block of statements; what it binds ends with it.
  func emit(_ statements: [Statement]) throws(EmitFailure) {
    let (outerBindings, outerSlots) = (bindings, slots)
    for statement in statements { try emit(statement) }
    (bindings, slots) = (outerBindings, outerSlots)
  }

  private func emit(_ statement: Statement) throws(EmitFailure) {
    try countStatement()
    switch statement {
    case .loop(let loop): try emit(loop)
    case .bind(let name, let expression): bindings[name] = try emit(expression)
    case .store(let name, let indices, let value): try store(name, indices, value)
    case .conditional(let condition, let then, let otherwise):
      try conditional(try emit(condition), then, otherwise)
    case .allocate(let buffer): try allocate(buffer)
    case .block(_, let body): try emit(body)
    case .barrier where grid != nil: barrier()
    case .barrier:
      throw complain("kernel \(kernel.name): a barrier has no meaning on a CPU")
    case .copy(let copy) where grid != nil: try self.copy(copy)
    case .commitGroup where grid != nil: commitGroup()
    case .waitGroup(let groups) where grid != nil: waitGroup(groups)
    case .copy, .commitGroup, .waitGroup:
      throw complain(
        "kernel \(kernel.name): threads copy to shared memory on GPUs only",
        help: "choose a GPU target")
    case .loadMatrices(let load) where grid != nil: try loadMatrices(load)
    case .multiply(let product) where grid != nil: try multiply(product)
    case .loadMatrices, .multiply:
      throw complain(
        "kernel \(kernel.name): warps multiply matrices on GPUs only", help: "choose a GPU target")
    case .warpGroup(let step) where grid != nil: try warpGroup(step)
    case .warpGroup:
      throw complain(
        "kernel \(kernel.name): warp groups multiply matrices on GPUs only",
        help: "choose a GPU target")
    case .call(let name, _):
      throw complain("kernel \(kernel.name): calls \(name), but kernels cannot call kernels")
    }
  }

  /// Throws where unrolling has made more code than any schedule asks for.
  func countStatement() throws(EmitFailure) {
    emittedStatements += 1
    guard emittedStatements <= Self.maximumStatements else {
      throw complain(
        "kernel \(kernel.name): unrolling makes more than \(Self.maximumStatements) statements",
        help: "unroll fewer or shorter loops")
    }
  }

  private func conditional(
    _ condition: Emitted, _ then: [Statement], _ otherwise: [Statement]
  ) throws(EmitFailure) {
    switch condition {
    case .truth(let holds): try emit(holds ? then : otherwise)
    case .boolean(_, lanes: true): throw .needsScalarLanes
    case .boolean(let test, lanes: false): try branch(test, then, otherwise)
    default: throw complain("kernel \(kernel.name): the condition of an 'if' is not a condition")
    }
  }

  private func branch(
    _ test: LLVMValueRef, _ then: [Statement], _ otherwise: [Statement]
  ) throws(EmitFailure) {
    let first = block("then")
    let second = otherwise.isEmpty ? nil : block("else")
    let join = block("join")
    LLVMBuildCondBr(builder, test, first, second ?? join)
    let outer = cache
    LLVMPositionBuilderAtEnd(builder, first)
    try emit(then)
    LLVMBuildBr(builder, join)
    if let second {
      cache = outer
      LLVMPositionBuilderAtEnd(builder, second)
      try emit(otherwise)
      LLVMBuildBr(builder, join)
    }
    cache = outer
    LLVMPositionBuilderAtEnd(builder, join)
  }
}
