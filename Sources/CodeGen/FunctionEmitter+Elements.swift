import CLLVM
import Diagnostics
import LoopIR
import Tensors

/// Expressions in general, and arithmetic on elements.
extension FunctionEmitter {
  func emit(_ expression: Expression) throws(EmitFailure) -> Emitted {
    switch expression {
    case .integer(let value): return .index(LinearIndex(value))
    case .real(let value, let type):
      return .element(LLVMConstReal(try unit.type(type), value), type, lanes: false)
    case .variable(let name):
      guard let value = bindings[name] else {
        throw complain("kernel \(kernel.name): %\(name) is not defined here")
      }
      return value
    case .load(let name, let indices): return try load(name, indices)
    case .unary(let operation, let operand): return try unary(operation, try emit(operand))
    case .binary(let operation, let a, let b):
      return try binary(operation, try emit(a), try emit(b))
    case .fma(let a, let b, let c): return try fma(try emit(a), try emit(b), try emit(c))
    case .select(let condition, let a, let b):
      return try select(try emit(condition), try emit(a), try emit(b))
    case .cast(let type, let operand): return try cast(type, try emit(operand))
    }
  }

  private func binary(
    _ operation: BinaryOperator, _ a: Emitted, _ b: Emitted
  ) throws(EmitFailure) -> Emitted {
    switch (a, b) {
    case (.index(let a), .index(let b)): return try indexBinary(operation, a, b)
    case (.element, .element): return try elementBinary(operation, a, b)
    case (.truth, _), (.boolean, _): return try logical(operation, a, b)
    default: throw mixed("'\(operation.rawValue)'")
    }
  }

  private func mixed(_ what: String) -> EmitFailure {
    complain("kernel \(kernel.name): the operands of \(what) do not go together")
  }

  private func logical(
    _ operation: BinaryOperator, _ a: Emitted, _ b: Emitted
  ) throws(EmitFailure) -> Emitted {
    guard operation == .and || operation == .or else { throw mixed("'\(operation.rawValue)'") }
    switch (a, b) {
    case (.truth(let known), let other), (let other, .truth(let known)):
      return known == (operation == .or) ? .truth(known) : other
    case (.boolean(let a, let aLanes), .boolean(let b, let bLanes)):
      let (left, right, wide) = aligned(a, aLanes, b, bLanes)
      let value =
        operation == .and
        ? LLVMBuildAnd(builder, left, right, "") : LLVMBuildOr(builder, left, right, "")
      guard let value else { throw mixed("'\(operation.rawValue)'") }
      return .boolean(value, lanes: wide)
    default: throw mixed("'\(operation.rawValue)'")
    }
  }

  /// Brings two values to the same number of lanes.
  private func aligned(
    _ a: LLVMValueRef, _ aLanes: Bool, _ b: LLVMValueRef, _ bLanes: Bool
  ) -> (LLVMValueRef, LLVMValueRef, Bool) {
    guard let count = lanes, aLanes != bLanes else { return (a, b, aLanes) }
    return (aLanes ? a : splat(a, count), bLanes ? b : splat(b, count), true)
  }

  private func elementBinary(
    _ operation: BinaryOperator, _ a: Emitted, _ b: Emitted
  ) throws(EmitFailure) -> Emitted {
    guard case .element(let x, let type, let xLanes) = a,
      case .element(let y, type, let yLanes) = b
    else { throw mixed("'\(operation.rawValue)'") }
    try checkArithmetic(type, operation.rawValue)
    let (left, right, wide) = aligned(x, xLanes, y, yLanes)
    if operation.isComparison {
      let predicate =
        operation == .less ? LLVMRealOLT : operation == .lessOrEqual ? LLVMRealOLE : LLVMRealOEQ
      return .boolean(LLVMBuildFCmp(builder, predicate, left, right, ""), lanes: wide)
    }
    let value: LLVMValueRef
    switch operation {
    case .add: value = LLVMBuildFAdd(builder, left, right, "")
    case .subtract: value = LLVMBuildFSub(builder, left, right, "")
    case .multiply: value = LLVMBuildFMul(builder, left, right, "")
    case .divide: value = LLVMBuildFDiv(builder, left, right, "")
    case .minimum: value = extremum(left, right, LLVMRealOLT)
    case .maximum: value = extremum(left, right, LLVMRealOGT)
    default: throw mixed("'\(operation.rawValue)'")
    }
    return .element(value, type, lanes: wide)
  }

  /// On CPUs bf16 is a type to keep numbers in: they are loaded, stored, chosen and converted.
  private func checkArithmetic(_ type: ElementType, _ operation: String) throws(EmitFailure) {
    guard type == .bf16, unit.target.gpu == nil else { return }
    throw complain(
      "kernel \(kernel.name): '\(operation)' of bf16 elements is not there on CPUs",
      help: "convert them to f32 first")
  }

  /// min or max where NaN wins on either side.
  ///
  /// x86's min and max yield their second operand where either is NaN, so with a number as the first one instruction
  /// does; in general one more comparison picks up a NaN on the left.
  private func extremum(
    _ a: LLVMValueRef, _ b: LLVMValueRef, _ predicate: LLVMRealPredicate
  ) -> LLVMValueRef {
    if isNumber(a) { return ordered(a, b, predicate) }
    if isNumber(b) { return ordered(b, a, predicate) }
    let isNaN = LLVMBuildFCmp(builder, LLVMRealUNO, a, a, "")
    return LLVMBuildSelect(builder, isNaN, a, ordered(a, b, predicate), "")
  }

  private func ordered(
    _ a: LLVMValueRef, _ b: LLVMValueRef, _ predicate: LLVMRealPredicate
  ) -> LLVMValueRef {
    LLVMBuildSelect(builder, LLVMBuildFCmp(builder, predicate, a, b, ""), a, b, "")
  }

  /// Whether a value (or each lane of it) is a constant other than NaN.
  private func isNumber(_ value: LLVMValueRef) -> Bool {
    guard LLVMIsConstant(value) != 0 else { return false }
    let isVector = LLVMGetTypeKind(LLVMTypeOf(value)) == LLVMVectorTypeKind
    let scalar: LLVMValueRef? = isVector ? LLVMGetAggregateElement(value, 0) : value
    guard let scalar, LLVMIsAConstantFP(scalar) != nil else { return false }
    var isInexact: LLVMBool = 0
    return !LLVMConstRealGetDouble(scalar, &isInexact).isNaN
  }

  private func fma(
    _ a: Emitted, _ b: Emitted, _ c: Emitted
  ) throws(EmitFailure) -> Emitted {
    guard unit.target.hasFMA else {
      return try elementBinary(.add, try elementBinary(.multiply, a, b), c)
    }
    guard case .element(let x, let type, let xLanes) = a,
      case .element(let y, type, let yLanes) = b, case .element(let z, type, let zLanes) = c
    else { throw mixed("fma") }
    try checkArithmetic(type, "fma")
    let wide = xLanes || yLanes || zLanes
    let operands = [(x, xLanes), (y, yLanes), (z, zLanes)].map { value, isWide in
      if let lanes, wide, !isWide { return splat(value, lanes) }
      return value
    }
    return .element(intrinsic("llvm.fma", operands), type, lanes: wide)
  }

  private func select(
    _ condition: Emitted, _ a: Emitted, _ b: Emitted
  ) throws(EmitFailure) -> Emitted {
    switch (condition, a, b) {
    case (.truth(let holds), _, _): return holds ? a : b
    case (.boolean(let test, let testLanes), .index(let x), .index(let y)):
      if x == y { return a }
      guard !testLanes, x.lane == 0, y.lane == 0 else { throw .needsScalarLanes }
      return .index(symbol(LLVMBuildSelect(builder, test, materialize(x), materialize(y), "")))
    case (
      .boolean(let test, let testLanes), .element(let x, let type, let xLanes),
      .element(let y, let other, let yLanes)
    ) where type == other:
      var (left, right, wide) = aligned(x, xLanes, y, yLanes)
      if testLanes, !wide, let lanes {
        (left, right, wide) = (splat(left, lanes), splat(right, lanes), true)
      }
      return .element(LLVMBuildSelect(builder, test, left, right, ""), type, lanes: wide)
    default: throw mixed("select")
    }
  }

  private func unary(_ operation: UnaryOperator, _ operand: Emitted) throws(EmitFailure) -> Emitted
  {
    switch (operation, operand) {
    case (.not, .truth(let value)): return .truth(!value)
    case (.not, .boolean(let value, let wide)):
      return .boolean(LLVMBuildNot(builder, value, ""), lanes: wide)
    case (.negate, .index(let value)): return .index(value * -1)
    case (.abs, .index(let value)): return .index(try extremumOfSigns(value))
    case (_, .element(let value, let type, let wide)) where operation != .not:
      return .element(try elementUnary(operation, value, type, wide), type, lanes: wide)
    default: throw mixed(operation.rawValue)
    }
  }

  private func extremumOfSigns(_ value: LinearIndex) throws(EmitFailure) -> LinearIndex {
    guard case .index(let result) = try indexBinary(.maximum, value, value * -1) else {
      throw mixed("abs")
    }
    return result
  }

  private func elementUnary(
    _ operation: UnaryOperator, _ value: LLVMValueRef, _ type: ElementType, _ wide: Bool
  ) throws(EmitFailure) -> LLVMValueRef {
    try checkArithmetic(type, operation.rawValue)
    switch operation {
    case .negate: return LLVMBuildFNeg(builder, value, "")
    case .abs: return intrinsic("llvm.fabs", [value])
    case .sqrt: return intrinsic("llvm.sqrt", [value])
    case .exp, .log, .tanh, .erf, .sin, .cos, .atan, .floor, .round:
      return try elementary(operation, value, type, wide)
    case .tf32: return roundedToTF32(value, wide)
    case .tf32TowardsZero: return cutToTF32(value, wide)
    case .not: throw mixed("not")
    }
  }

  /// The results for each lane of a vector, or for a scalar; of the value's type, unless another one is given.
  func perLane(
    _ value: LLVMValueRef, _ wide: Bool, as type: LLVMTypeRef? = nil,
    _ result: (LLVMValueRef) -> LLVMValueRef
  ) -> LLVMValueRef {
    guard wide, let lanes else { return result(value) }
    let vector = type.map { LLVMVectorType($0, UInt32(lanes)) } ?? LLVMTypeOf(value)
    return (0..<lanes).reduce(LLVMGetPoison(vector)) { vector, lane in
      let position = integer(lane)
      let scalar = result(LLVMBuildExtractElement(builder, value, position, ""))
      return LLVMBuildInsertElement(builder, vector, scalar, position, "")
    }
  }

  private func cast(_ type: ElementType, _ operand: Emitted) throws(EmitFailure) -> Emitted {
    let scalar = try unit.type(type)
    switch operand {
    case .element(let value, let source, let wide):
      if source == type { return operand }
      return .element(
        try converted(value, from: source, to: type, wide), type, lanes: wide)
    case .index where type == .bf16 && unit.target.gpu == nil:
      return try cast(type, try cast(.f32, operand))
    case .index(let index):
      let wide = index.lane != 0
      let value = wide ? try laneVector(index) : materialize(index)
      let target = wide ? LLVMVectorType(scalar, UInt32(lanes ?? 1)) : scalar
      return .element(LLVMBuildSIToFP(builder, value, target, ""), type, lanes: wide)
    default: throw mixed("cast")
    }
  }
}
