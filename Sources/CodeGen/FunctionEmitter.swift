import CLLVM
import Diagnostics
import LoopIR
import Schedules
import Tensors

/// Emits the statements of one kernel (or of one of its parallel loops' bodies) into one LLVM function.
///
/// Names follow the loop IR's scopes; everything emitted in a scope dominates what is emitted later in it, which is
/// what makes the caches of shared arithmetic sound: they are restored wherever control flow joins.
final class FunctionEmitter {
  let unit: ModuleEmitter
  let kernel: Kernel
  let function: LLVMValueRef
  let builder: LLVMBuilderRef
  /// The runtime's `rephase_parallel`; loops run serially where it is nil.
  var parallel: LLVMValueRef?
  /// Set for kernels of a GPU.
  var grid: Grid?

  /// Index values that exist as instructions; `LinearIndex` terms count into it.
  var symbols: [LLVMValueRef] = []
  var bindings: [String: Emitted] = [:]
  var slots: [String: Slot] = [:]
  /// The number of lanes inside a vectorized loop, else nil.
  var lanes: Int?
  var cache = Cache()
  var stackBytes = 0
  var emittedStatements = 0

  /// Arithmetic already done on the path to here.
  struct Cache {
    var integers: [LinearIndex: LLVMValueRef] = [:]
    var addresses: [AddressKey: LLVMValueRef] = [:]
    var splats: [LLVMValueRef: LLVMValueRef] = [:]
  }

  struct AddressKey: Hashable {
    var base: LLVMValueRef
    var index: LinearIndex
  }

  /// More than any schedule asks for; a dump that unrolls further is refused instead of filling the memory.
  static let maximumStatements = 500_000
  static let maximumStackBytes = Target.localBytes

  init(unit: ModuleEmitter, kernel: Kernel, function: LLVMValueRef) {
    self.unit = unit
    self.kernel = kernel
    self.function = function
    builder = LLVMCreateBuilderInContext(unit.context)
    let entry = LLVMAppendBasicBlockInContext(unit.context, function, "entry")
    let body = LLVMAppendBasicBlockInContext(unit.context, function, "body")
    LLVMPositionBuilderAtEnd(builder, entry)
    LLVMBuildBr(builder, body)
    LLVMPositionBuilderAtEnd(builder, body)
  }

  deinit { LLVMDisposeBuilder(builder) }

  func integer(_ value: Int) -> LLVMValueRef {
    LLVMConstInt(unit.index, UInt64(bitPattern: Int64(value)), 1)
  }

  /// The index as one instruction's value; there must be no lane in it.
  func materialize(_ index: LinearIndex) -> LLVMValueRef {
    if index.terms.isEmpty { return integer(index.constant) }
    if let known = cache.integers[index] { return known }
    var sum: LLVMValueRef?
    for term in index.terms {
      let part = scaled(term)
      sum = sum.map { LLVMBuildAdd(builder, $0, part, "") } ?? part
    }
    var value = sum ?? integer(0)
    if index.constant != 0 { value = LLVMBuildAdd(builder, value, integer(index.constant), "") }
    cache.integers[index] = value
    return value
  }

  func scaled(_ term: LinearIndex.Term) -> LLVMValueRef {
    let symbol = symbols[term.symbol]
    if term.coefficient == 1 { return symbol }
    return LLVMBuildMul(builder, symbol, integer(term.coefficient), "")
  }

  /// A new symbol for an index that is no sum of others.
  func symbol(_ value: LLVMValueRef) -> LinearIndex {
    if LLVMIsAConstantInt(value) != nil { return LinearIndex(Int(LLVMConstIntGetSExtValue(value))) }
    symbols.append(value)
    return LinearIndex(symbol: symbols.count - 1)
  }

  /// A vector with the same scalar in each lane.
  func splat(_ scalar: LLVMValueRef, _ count: Int) -> LLVMValueRef {
    if let known = cache.splats[scalar] { return known }
    let vector: LLVMValueRef
    if LLVMIsConstant(scalar) != 0 {
      var copies: [LLVMValueRef?] = Array(repeating: scalar, count: count)
      vector = LLVMConstVector(&copies, UInt32(count))
    } else {
      let type = LLVMVectorType(LLVMTypeOf(scalar), UInt32(count))
      let first = LLVMBuildInsertElement(
        builder, LLVMGetPoison(type), scalar, LLVMConstInt(unit.i32, 0, 0), "")
      let mask = LLVMConstNull(LLVMVectorType(unit.i32, UInt32(count)))
      vector = LLVMBuildShuffleVector(builder, first, LLVMGetPoison(type), mask, "splat")
    }
    cache.splats[scalar] = vector
    return vector
  }

  /// Memory of the whole function: once per call, however often the allocation is passed.
  func stackSlot(_ type: LLVMTypeRef, _ count: Int, alignment: Int, name: String) -> LLVMValueRef {
    let allocas = LLVMCreateBuilderInContext(unit.context)
    defer { LLVMDisposeBuilder(allocas) }
    let entry = LLVMGetEntryBasicBlock(function)
    LLVMPositionBuilderBefore(allocas, LLVMGetBasicBlockTerminator(entry))
    let slot: LLVMValueRef = LLVMBuildAlloca(allocas, LLVMArrayType2(type, UInt64(count)), name)
    LLVMSetAlignment(slot, UInt32(alignment))
    return slot
  }

  func block(_ name: String) -> LLVMBasicBlockRef {
    LLVMAppendBasicBlockInContext(unit.context, function, name)
  }

  /// Calls an overloaded intrinsic whose arguments and result have one type.
  func intrinsic(_ name: String, _ arguments: [LLVMValueRef]) -> LLVMValueRef {
    let type: LLVMTypeRef = LLVMTypeOf(arguments[0])
    let identifier = LLVMLookupIntrinsicID(name, name.utf8.count)
    var overloads: [LLVMTypeRef?] = [type]
    let declaration = LLVMGetIntrinsicDeclaration(unit.module, identifier, &overloads, 1)
    let signature = LLVMGlobalGetValueType(declaration)
    var operands: [LLVMValueRef?] = arguments
    return LLVMBuildCall2(
      builder, signature, declaration, &operands, UInt32(operands.count), "")
  }
}
