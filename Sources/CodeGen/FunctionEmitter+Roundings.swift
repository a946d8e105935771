import CLLVM
import Diagnostics
import LoopIR
import Tensors

/// Conversions to and from the types of tensor cores.
///
/// CPUs do them by integer arithmetic: for bf16, LLVM would call a function of the compiler's library.
extension FunctionEmitter {
  /// An f32 rounded to tf32, lane by lane.
  func roundedToTF32(_ value: LLVMValueRef, _ wide: Bool) -> LLVMValueRef {
    guard unit.target.gpu == nil else {
      return perLane(value, wide) { scalar in
        // Unless it is known to return, LLVM joins no reads before and after it.
        let bits = call("llvm.nvvm.f2tf32.rna", [scalar], attributes: ["willreturn"])
        return LLVMBuildBitCast(builder, bits, LLVMTypeOf(scalar), "")
      }
    }
    let bits: LLVMValueRef = LLVMBuildBitCast(builder, value, elements(unit.i32, wide), "")
    let raised = LLVMBuildAdd(builder, bits, integers(0x1000, wide), "")
    let rounded = LLVMBuildAnd(builder, raised, integers(0xFFFF_E000, wide), "")
    let infinity: LLVMValueRef = LLVMConstReal(LLVMFloatTypeInContext(unit.context), .infinity)
    let isFinite = LLVMBuildFCmp(
      builder, LLVMRealOLT, intrinsic("llvm.fabs", [value]), constant(infinity, wide), "")
    let result = LLVMBuildSelect(builder, isFinite, rounded, bits, "")
    return LLVMBuildBitCast(builder, result, LLVMTypeOf(value), "")
  }

  /// The lower 13 bits of an f32 set to zero; a NaN keeps what is above them.
  func cutToTF32(_ value: LLVMValueRef, _ wide: Bool) -> LLVMValueRef {
    let bits = LLVMBuildBitCast(builder, value, elements(unit.i32, wide), "")
    let cut = LLVMBuildAnd(builder, bits, integers(0xFFFF_E000, wide), "")
    return LLVMBuildBitCast(builder, cut, LLVMTypeOf(value), "")
  }

  /// A conversion between floating types.
  func converted(
    _ value: LLVMValueRef, from source: ElementType, to type: ElementType, _ wide: Bool
  ) throws(EmitFailure) -> LLVMValueRef {
    if source == .bf16 {
      let single = widenedFromBrain(value, wide)
      return type == .f32 ? single : try converted(single, from: .f32, to: type, wide)
    }
    if type == .bf16, unit.target.gpu == nil {
      let single = source == .f32 ? value : try converted(value, from: source, to: .f32, wide)
      return roundedToBrain(single, wide)
    }
    if type == .bf16, source == .f32, wide, let lanes, lanes % 2 == 0 {
      return roundedPairs(value, lanes)
    }
    let scalar = try unit.type(type)
    if type == .f64, unit.target.gpu != nil {
      // Of a load of 8 lanes and their conversion LLVM 19 makes one instruction, which PTX has not.
      return perLane(value, wide, as: scalar) { LLVMBuildFPCast(builder, $0, scalar, "") }
    }
    return LLVMBuildFPCast(builder, value, elements(scalar, wide), "")
  }

  /// Lanes rounded to bf16 by an instruction that makes 32 bits of two, the first of them the lower half.
  private func roundedPairs(_ value: LLVMValueRef, _ lanes: Int) -> LLVMValueRef {
    let start: LLVMValueRef = LLVMGetPoison(LLVMVectorType(unit.i32, UInt32(lanes / 2)))
    let packed = (0..<lanes / 2).reduce(start) { vector, pair in
      let halves: [LLVMValueRef] = [1, 0].map {
        LLVMBuildExtractElement(builder, value, integer(2 * pair + $0), "")
      }
      let two = call("llvm.nvvm.ff2bf16x2.rn", halves, attributes: ["willreturn"])
      return LLVMBuildInsertElement(
        builder, vector, LLVMBuildBitCast(builder, two, unit.i32, ""), integer(pair), "")
    }
    return LLVMBuildBitCast(
      builder, packed, elements(LLVMBFloatTypeInContext(unit.context), true), "")
  }

  /// The upper half of a float32, rounded to nearest, ties to even; NaN stays one.
  private func roundedToBrain(_ value: LLVMValueRef, _ wide: Bool) -> LLVMValueRef {
    let bits: LLVMValueRef = LLVMBuildBitCast(builder, value, elements(unit.i32, wide), "")
    let half = integers(16, wide)
    let upper = LLVMBuildLShr(builder, bits, half, "")
    let isOdd = LLVMBuildAnd(builder, upper, integers(1, wide), "")
    let raised = LLVMBuildAdd(
      builder, LLVMBuildAdd(builder, bits, integers(0x7FFF, wide), ""), isOdd, "")
    let rounded = LLVMBuildLShr(builder, raised, half, "")
    let quiet = LLVMBuildOr(builder, upper, integers(0x40, wide), "")
    let isNaN = LLVMBuildFCmp(builder, LLVMRealUNO, value, value, "")
    let result = LLVMBuildTrunc(
      builder, LLVMBuildSelect(builder, isNaN, quiet, rounded, ""),
      elements(LLVMInt16TypeInContext(unit.context), wide), "")
    return LLVMBuildBitCast(
      builder, result, elements(LLVMBFloatTypeInContext(unit.context), wide), "")
  }

  /// The float32 whose upper half it is.
  private func widenedFromBrain(_ value: LLVMValueRef, _ wide: Bool) -> LLVMValueRef {
    if unit.target.gpu != nil, wide, let lanes, lanes % 2 == 0 { return widenedPairs(value, lanes) }
    let upper = LLVMBuildBitCast(
      builder, value, elements(LLVMInt16TypeInContext(unit.context), wide), "")
    let bits = LLVMBuildShl(
      builder, LLVMBuildZExt(builder, upper, elements(unit.i32, wide), ""), integers(16, wide), "")
    return LLVMBuildBitCast(
      builder, bits, elements(LLVMFloatTypeInContext(unit.context), wide), "")
  }

  /// The same for pairs that fill 32 bits: the lower half moves up, the upper one stays alone.
  private func widenedPairs(_ value: LLVMValueRef, _ lanes: Int) -> LLVMValueRef {
    let pairs = LLVMBuildBitCast(
      builder, value, LLVMVectorType(unit.i32, UInt32(lanes / 2)), "")
    let start: LLVMValueRef = LLVMGetPoison(elements(LLVMFloatTypeInContext(unit.context), true))
    return (0..<lanes).reduce(start) { vector, lane in
      let pair = LLVMBuildExtractElement(builder, pairs, integer(lane / 2), "")
      let bits =
        lane % 2 == 0
        ? LLVMBuildShl(builder, pair, integers(16, false), "")
        : LLVMBuildAnd(builder, pair, integers(0xFFFF_0000, false), "")
      let single = LLVMBuildBitCast(
        builder, bits, LLVMFloatTypeInContext(unit.context), "")
      return LLVMBuildInsertElement(builder, vector, single, integer(lane), "")
    }
  }

  /// The type of one value or of one for each lane.
  func elements(_ scalar: LLVMTypeRef, _ wide: Bool) -> LLVMTypeRef {
    guard wide, let lanes else { return scalar }
    return LLVMVectorType(scalar, UInt32(lanes))
  }

  private func integers(_ value: UInt64, _ wide: Bool) -> LLVMValueRef {
    constant(LLVMConstInt(unit.i32, value, 0), wide)
  }

  func constant(_ value: LLVMValueRef, _ wide: Bool) -> LLVMValueRef {
    guard wide, let lanes else { return value }
    return splat(value, lanes)
  }
}
