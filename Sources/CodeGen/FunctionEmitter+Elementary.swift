import CLLVM
import LoopIR
import Tensors

/// exp, log, sin and the like as instructions: libm's functions would be called lane by lane, differ from one machine to
/// the next, and are missing on GPUs.
extension FunctionEmitter {
  /// f16 and bf16 go through f32, sine and cosine through f64.
  func elementary(
    _ operation: UnaryOperator, _ value: LLVMValueRef, _ type: ElementType, _ wide: Bool
  ) throws(EmitFailure) -> LLVMValueRef {
    let own = operation.elementaryType(of: type)
    guard type == own || type == .f32 else {
      let operand = try converted(value, from: type, to: .f32, wide)
      return try converted(
        try elementary(operation, operand, .f32, wide), from: .f32, to: type, wide)
    }
    let operand = type == own ? value : try converted(value, from: type, to: own, wide)
    let arithmetic = InstructionArithmetic(emitter: self, scalar: try unit.type(own), wide: wide)
    let functions = ElementaryFunctions(arithmetic, operation, of: type)
    guard let function = functions.function(operation) else {
      throw complain("kernel \(kernel.name): '\(operation.rawValue)' is no elementary function")
    }
    let result = function(operand)
    return type == own ? result : try converted(result, from: own, to: type, wide)
  }
}

/// One instruction a step, on one element or on all lanes.
private struct InstructionArithmetic: ElementaryArithmetic {
  let emitter: FunctionEmitter
  let scalar: LLVMTypeRef
  let wide: Bool

  private var builder: LLVMBuilderRef { emitter.builder }
  /// As wide as a number.
  private var integer: LLVMTypeRef {
    let isDouble = LLVMGetTypeKind(scalar) == LLVMDoubleTypeKind
    return LLVMIntTypeInContext(emitter.unit.context, isDouble ? 64 : 32)
  }

  func number(_ value: Double) -> LLVMValueRef {
    emitter.constant(LLVMConstReal(scalar, value), wide)
  }
  func add(_ a: LLVMValueRef, _ b: LLVMValueRef) -> LLVMValueRef {
    LLVMBuildFAdd(builder, a, b, "")
  }
  func subtract(_ a: LLVMValueRef, _ b: LLVMValueRef) -> LLVMValueRef {
    LLVMBuildFSub(builder, a, b, "")
  }
  func multiply(_ a: LLVMValueRef, _ b: LLVMValueRef) -> LLVMValueRef {
    LLVMBuildFMul(builder, a, b, "")
  }
  func divide(_ a: LLVMValueRef, _ b: LLVMValueRef) -> LLVMValueRef {
    LLVMBuildFDiv(builder, a, b, "")
  }
  func fma(_ a: LLVMValueRef, _ b: LLVMValueRef, _ c: LLVMValueRef) -> LLVMValueRef {
    emitter.unit.target.hasFMA
      ? emitter.intrinsic("llvm.fma", [a, b, c]) : add(multiply(a, b), c)
  }
  func isLess(_ a: LLVMValueRef, _ b: LLVMValueRef) -> LLVMValueRef {
    LLVMBuildFCmp(builder, LLVMRealOLT, a, b, "")
  }
  func select(
    _ condition: LLVMValueRef, _ a: LLVMValueRef, _ b: LLVMValueRef
  ) -> LLVMValueRef {
    LLVMBuildSelect(builder, condition, a, b, "")
  }

  // A bit pattern is an LLVM value too, so that both kinds of `add` need a type to tell them apart.
  struct Bits { var value: LLVMValueRef }

  func bits(_ pattern: UInt64) -> Bits {
    Bits(value: emitter.constant(LLVMConstInt(integer, pattern, 0), wide))
  }
  func bits(of number: LLVMValueRef) -> Bits {
    Bits(value: LLVMBuildBitCast(builder, number, emitter.elements(integer, wide), ""))
  }
  func number(of bits: Bits) -> LLVMValueRef {
    LLVMBuildBitCast(builder, bits.value, emitter.elements(scalar, wide), "")
  }
  func add(_ a: Bits, _ b: Bits) -> Bits {
    Bits(value: LLVMBuildAdd(builder, a.value, b.value, ""))
  }
  func and(_ a: Bits, _ b: Bits) -> Bits {
    Bits(value: LLVMBuildAnd(builder, a.value, b.value, ""))
  }
  func or(_ a: Bits, _ b: Bits) -> Bits {
    Bits(value: LLVMBuildOr(builder, a.value, b.value, ""))
  }
  func shiftLeft(_ a: Bits, by count: Int) -> Bits {
    Bits(value: LLVMBuildShl(builder, a.value, bits(UInt64(count)).value, ""))
  }
  func shiftRight(_ a: Bits, by count: Int) -> Bits {
    Bits(value: LLVMBuildLShr(builder, a.value, bits(UInt64(count)).value, ""))
  }
}
