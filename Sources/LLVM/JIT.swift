import CLLVM
import Diagnostics

/// Owns object code that has been linked into this process; functions are valid as long as it lives.
public struct JIT: ~Copyable {
  private let reference: LLVMOrcLLJITRef

  /// Links the objects (ELF bytes) against each other and this process's libraries (libc, libm).
  public init(objects: [[UInt8]]) throws(Diagnostic) {
    initializeLLVM()
    var created: LLVMOrcLLJITRef?
    try check(LLVMOrcCreateLLJIT(&created, nil), "LLVM's JIT does not start")
    guard let created else { throw Diagnostic("LLVM's JIT does not start") }
    do throws(Diagnostic) {
      // Errors come back as diagnostics; LLVM would print them as well.
      LLVMOrcExecutionSessionSetErrorReporter(
        LLVMOrcLLJITGetExecutionSession(created), { _, error in LLVMConsumeError(error) }, nil)
      try linkProcessSymbols(created)
      for object in objects { try add(object, to: created) }
    } catch {
      if let second = LLVMOrcDisposeLLJIT(created) { LLVMConsumeError(second) }
      throw error
    }
    reference = created
  }

  deinit {
    if let error = LLVMOrcDisposeLLJIT(reference) { LLVMConsumeError(error) }
  }

  /// The address of an exported function.
  public borrowing func address(of symbol: String) throws(Diagnostic) -> UnsafeRawPointer {
    var address: LLVMOrcExecutorAddress = 0
    try check(LLVMOrcLLJITLookup(reference, &address, symbol), "cannot link \(symbol)")
    guard let pointer = UnsafeRawPointer(bitPattern: UInt(address)) else {
      throw Diagnostic("cannot link \(symbol)")
    }
    return pointer
  }
}

private func linkProcessSymbols(_ jit: LLVMOrcLLJITRef) throws(Diagnostic) {
  var generator: LLVMOrcDefinitionGeneratorRef?
  try check(
    LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(
      &generator, LLVMOrcLLJITGetGlobalPrefix(jit), nil, nil),
    "cannot search this process's symbols")
  LLVMOrcJITDylibAddGenerator(LLVMOrcLLJITGetMainJITDylib(jit), generator)
}

private func add(_ object: [UInt8], to jit: LLVMOrcLLJITRef) throws(Diagnostic) {
  let buffer = object.withUnsafeBytes {
    LLVMCreateMemoryBufferWithMemoryRangeCopy(
      $0.baseAddress?.assumingMemoryBound(to: CChar.self), object.count, "object")
  }
  let library = LLVMOrcLLJITGetMainJITDylib(jit)
  try check(LLVMOrcLLJITAddObjectFile(jit, library, buffer), "cannot load object code")
}
