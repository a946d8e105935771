import CLLVM
import Diagnostics
import LLVM

extension CodeGenerator {
  /// An object with the bytes as hidden constant array `<prefix>_constants`, aligned to 64: weights in a library.
  public func constants(_ bytes: [UInt8], prefix: String) throws(Diagnostic) -> [UInt8] {
    try ModelName.check(prefix)
    let machine = try Machine(
      triple: target.triple, processor: target.processor, features: target.features)
    let ir = IRModule(name: prefix)
    machine.adopt(ir)
    let array = bytes.withUnsafeBytes {
      LLVMConstStringInContext2(
        ir.context, $0.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count, 1)
    }
    let global = LLVMAddGlobal(ir.reference, LLVMTypeOf(array), prefix + "_constants")
    LLVMSetInitializer(global, array)
    LLVMSetGlobalConstant(global, 1)
    LLVMSetVisibility(global, LLVMHiddenVisibility)
    LLVMSetAlignment(global, UInt32(BufferLayout.alignment))
    return try machine.emit(ir, as: .object)
  }
}
