import CLLVM
import Diagnostics
import LoopIR

/// Index arithmetic and conditions on indices.
extension FunctionEmitter {
  func index(_ expression: Expression) throws(EmitFailure) -> LinearIndex {
    switch try emit(expression) {
    case .index(let index): return index
    default: throw complain("kernel \(kernel.name): an index is expected, not another value")
    }
  }

  func indexBinary(
    _ operation: BinaryOperator, _ a: LinearIndex, _ b: LinearIndex
  ) throws(EmitFailure) -> Emitted {
    switch operation {
    case .add: return .index(a + b)
    case .subtract: return .index(a - b)
    case .multiply: return .index(try product(a, b))
    case .divide: return .index(try quotient(a, by: b).quotient)
    case .remainder: return .index(try quotient(a, by: b).remainder)
    case .minimum, .maximum: return .index(try extremum(a, b, operation))
    case .less, .lessOrEqual, .equal: return try compare(operation, a, b)
    case .and, .or:
      throw complain("kernel \(kernel.name): '\(operation.rawValue)' needs conditions, not indices")
    }
  }

  private func product(_ a: LinearIndex, _ b: LinearIndex) throws(EmitFailure) -> LinearIndex {
    if let factor = b.asConstant { return a * factor }
    if let factor = a.asConstant { return b * factor }
    guard a.lane == 0, b.lane == 0 else { throw .needsScalarLanes }
    return symbol(LLVMBuildMul(builder, materialize(a), materialize(b), ""))
  }

  private func extremum(
    _ a: LinearIndex, _ b: LinearIndex, _ operation: BinaryOperator
  ) throws(EmitFailure) -> LinearIndex {
    if let difference = (a - b).asConstant {
      return (difference < 0) == (operation == .minimum) ? a : b
    }
    guard a.lane == 0, b.lane == 0 else { throw .needsScalarLanes }
    let name = operation == .minimum ? "llvm.smin" : "llvm.smax"
    return symbol(intrinsic(name, [materialize(a), materialize(b)]))
  }

  private func compare(
    _ operation: BinaryOperator, _ a: LinearIndex, _ b: LinearIndex
  ) throws(EmitFailure) -> Emitted {
    if let difference = (a - b).asConstant {
      switch operation {
      case .less: return .truth(difference < 0)
      case .lessOrEqual: return .truth(difference <= 0)
      default: return .truth(difference == 0)
      }
    }
    let predicate =
      operation == .less ? LLVMIntSLT : operation == .lessOrEqual ? LLVMIntSLE : LLVMIntEQ
    if a.lane == 0, b.lane == 0 {
      return .boolean(
        LLVMBuildICmp(builder, predicate, materialize(a), materialize(b), ""), lanes: false)
    }
    return .boolean(
      LLVMBuildICmp(builder, predicate, try laneVector(a), try laneVector(b), ""), lanes: true)
  }

  /// The index of each lane, as a vector of integers.
  func laneVector(_ index: LinearIndex) throws(EmitFailure) -> LLVMValueRef {
    guard let count = lanes else { throw .needsScalarLanes }
    var steps: [LLVMValueRef?] = (0..<count).map { integer(index.lane &* $0) }
    let first = splat(materialize(index.firstLane), count)
    return LLVMBuildAdd(builder, first, LLVMConstVector(&steps, UInt32(count)), "")
  }

  /// Floor division: terms that divide exactly stay in linear form, only the rest costs instructions.
  private func quotient(
    _ a: LinearIndex, by b: LinearIndex
  ) throws(EmitFailure) -> (quotient: LinearIndex, remainder: LinearIndex) {
    guard let divisor = b.asConstant, divisor > 0 else {
      throw complain(
        "kernel \(kernel.name): '/' and 'mod' of indices need a positive constant on the right")
    }
    let (exact, rest) = a.split(by: divisor)
    if rest.terms.isEmpty {
      let last = rest.constant &+ rest.lane &* ((lanes ?? 1) - 1)
      let first = floorDivide(rest.constant, divisor)
      guard floorDivide(last, divisor) == first else { throw .needsScalarLanes }
      return (exact + LinearIndex(first), rest - LinearIndex(first &* divisor))
    }
    guard rest.lane == 0 else { throw .needsScalarLanes }
    if grid != nil, isNonNegative(rest) { return unsigned(exact, rest, divisor) }
    let part = floorQuotient(materialize(rest), divisor)
    let quotient = symbol(part)
    return (exact + quotient, rest.adding(quotient, times: 0 &- divisor))
  }

  private func floorQuotient(_ value: LLVMValueRef, _ divisor: Int) -> LLVMValueRef {
    if divisor & (divisor - 1) == 0 {
      return LLVMBuildAShr(builder, value, integer(divisor.trailingZeroBitCount), "")
    }
    let truncated = LLVMBuildSDiv(builder, value, integer(divisor), "")
    let product = LLVMBuildMul(builder, truncated, integer(divisor), "")
    let remainder = LLVMBuildSub(builder, value, product, "")
    let isNegative = LLVMBuildICmp(builder, LLVMIntSLT, remainder, integer(0), "")
    return LLVMBuildAdd(builder, truncated, LLVMBuildSExt(builder, isNegative, unit.index, ""), "")
  }
}
