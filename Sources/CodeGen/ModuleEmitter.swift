import CLLVM
import Diagnostics
import LLVM
import LoopIR
import Schedules
import Tensors

/// One LLVM module being filled: types, function attributes, names.
final class ModuleEmitter {
  let context: LLVMContextRef
  let module: LLVMModuleRef
  let target: Schedules.Target
  let i32: LLVMTypeRef
  let i64: LLVMTypeRef
  /// In which indices are computed: GPUs need two instructions for 64 bits.
  let index: LLVMTypeRef
  let pointer: LLVMTypeRef
  private var names: Set<String> = []

  init(_ ir: borrowing IRModule, target: Schedules.Target) {
    context = ir.context
    module = ir.reference
    self.target = target
    i32 = LLVMInt32TypeInContext(context)
    i64 = LLVMInt64TypeInContext(context)
    index = target.gpu == nil ? i64 : i32
    pointer = LLVMPointerTypeInContext(context, 0)
  }

  /// The type in which elements are stored and computed.
  func type(_ element: ElementType) throws(EmitFailure) -> LLVMTypeRef {
    switch element {
    case .f32: return LLVMFloatTypeInContext(context)
    case .f64: return LLVMDoubleTypeInContext(context)
    case .bf16: return LLVMBFloatTypeInContext(context)
    case .f16, .i32, .complex64:
      throw complain(
        "native code for \(element.rawValue) elements is not there yet; f32, f64 and bf16 are")
    }
  }

  /// A name as object files and profilers like it.
  func symbol(_ name: String) -> String {
    let characters = name.unicodeScalars.map { scalar -> Character in
      let isWord = scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9") ~= scalar)
      return isWord || scalar == "_" || scalar == "." ? Character(scalar) : "_"
    }
    return String(characters)
  }

  /// `name`, with a number where it is taken already.
  func unusedName(_ name: String) -> String {
    var candidate = name
    var number = 2
    while !names.insert(candidate).inserted {
      candidate = "\(name).\(number)"
      number += 1
    }
    return candidate
  }

  /// An internal function that is never inlined, so that profiles name what runs.
  func function(_ name: String, _ parameters: [LLVMTypeRef]) -> LLVMValueRef {
    let function = declare(name, parameters)
    LLVMSetLinkage(function, LLVMInternalLinkage)
    add("noinline", to: function)
    return function
  }

  /// A function that other objects call; `hidden` keeps it inside the library it is linked into.
  func entry(_ name: String, parameters: Int, hidden: Bool) -> LLVMValueRef {
    let function = declare(name, Array(repeating: pointer, count: parameters))
    LLVMSetVisibility(function, hidden ? LLVMHiddenVisibility : LLVMDefaultVisibility)
    return function
  }

  func declare(_ name: String, _ parameters: [LLVMTypeRef]) -> LLVMValueRef {
    var types: [LLVMTypeRef?] = parameters
    let signature = LLVMFunctionType(
      LLVMVoidTypeInContext(context), &types, UInt32(types.count), 0)
    let function: LLVMValueRef = LLVMAddFunction(module, name, signature)
    add("nounwind", to: function)
    add("target-cpu", target.processor, to: function)
    if !target.features.isEmpty { add("target-features", target.features, to: function) }
    guard target.gpu == nil else { return function }
    // Vectors are as wide as the schedule says, also on processors for which LLVM prefers narrower ones.
    add("prefer-vector-width", String(target.vectorBytes * 8), to: function)
    add("min-legal-vector-width", String(target.vectorBytes * 8), to: function)
    return function
  }

  private func add(_ attribute: String, to function: LLVMValueRef) {
    add(attribute, 0, at: LLVMAttributeIndex(bitPattern: -1), of: function)
  }

  func add(_ attribute: String, toCall call: LLVMValueRef) {
    let kind = LLVMGetEnumAttributeKindForName(attribute, attribute.utf8.count)
    LLVMAddCallSiteAttribute(
      call, LLVMAttributeIndex(bitPattern: -1), LLVMCreateEnumAttribute(context, kind, 0))
  }

  private func add(_ key: String, _ value: String, to function: LLVMValueRef) {
    let attribute = LLVMCreateStringAttribute(
      context, key, UInt32(key.utf8.count), value, UInt32(value.utf8.count))
    LLVMAddAttributeAtIndex(function, LLVMAttributeIndex(bitPattern: -1), attribute)
  }

  private func add(
    _ name: String, _ value: UInt64, at index: LLVMAttributeIndex, of function: LLVMValueRef
  ) {
    let kind = LLVMGetEnumAttributeKindForName(name, name.utf8.count)
    LLVMAddAttributeAtIndex(function, index, LLVMCreateEnumAttribute(context, kind, value))
  }

  /// Tells LLVM what it may assume of a buffer's pointer: it overlaps no other that is written, and how large it is.
  func describe(_ function: LLVMValueRef, _ position: Int, _ slot: Slot) {
    let index = LLVMAttributeIndex(position + 1)
    add("noalias", 0, at: index, of: function)
    add("nonnull", 0, at: index, of: function)
    add("align", UInt64(slot.alignment), at: index, of: function)
    add("dereferenceable", UInt64(slot.buffer.byteCount), at: index, of: function)
    if slot.isReadOnly { add("readonly", 0, at: index, of: function) }
    LLVMSetValueName2(
      LLVMGetParam(function, UInt32(position)), slot.buffer.name, slot.buffer.name.utf8.count)
  }

  /// `parallel->run(parallel->user, count, task, captures)`.
  func callRuntime(
    _ builder: LLVMBuilderRef, _ parallel: LLVMValueRef, _ count: LLVMValueRef,
    _ task: LLVMValueRef, _ captures: LLVMValueRef
  ) {
    var fields: [LLVMTypeRef?] = [pointer, pointer]
    let record = LLVMStructTypeInContext(context, &fields, 2, 0)
    let run = LLVMBuildLoad2(
      builder, pointer, LLVMBuildStructGEP2(builder, record, parallel, 0, ""), "run")
    let user = LLVMBuildLoad2(
      builder, pointer, LLVMBuildStructGEP2(builder, record, parallel, 1, ""), "user")
    var parameters: [LLVMTypeRef?] = [pointer, i64, pointer, pointer]
    let signature = LLVMFunctionType(LLVMVoidTypeInContext(context), &parameters, 4, 0)
    var arguments: [LLVMValueRef?] = [user, count, task, captures]
    LLVMBuildCall2(builder, signature, run, &arguments, 4, "")
  }
}
