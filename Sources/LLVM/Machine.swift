import CLLVM
import CLLVMPasses
import Diagnostics
import Foundation

/// Owns a target machine: turns IR into assembly text or object code for one processor.
public struct Machine: ~Copyable {
  public let reference: LLVMTargetMachineRef

  public enum Output: Sendable { case assembly, object }

  /// Position-independent code at the highest level of optimization.
  public init(triple: String, processor: String, features: String) throws(Diagnostic) {
    initializeLLVM()
    var target: LLVMTargetRef?
    var message: UnsafeMutablePointer<CChar>?
    let failed = LLVMGetTargetFromTriple(triple, &target, &message)
    let problem = takeMessage(message)
    guard failed == 0, let target else { throw Diagnostic("no such target: \(problem)") }
    guard
      let machine = LLVMCreateTargetMachine(
        target, triple, processor, features, LLVMCodeGenLevelAggressive, LLVMRelocPIC,
        LLVMCodeModelDefault)
    else { throw Diagnostic("LLVM cannot generate code for \(triple) \(processor)") }
    reference = machine
    LLVMSetTargetMachineAsmVerbosity(machine, 0)
  }

  deinit { LLVMDisposeTargetMachine(reference) }

  /// Gives the module this machine's triple and data layout; before anything is emitted into it.
  public func adopt(_ module: borrowing IRModule) {
    let triple = takeMessage(LLVMGetTargetMachineTriple(reference))
    LLVMSetTarget(module.reference, triple)
    let layout = LLVMCreateTargetDataLayout(reference)
    LLVMSetModuleDataLayout(module.reference, layout)
    LLVMDisposeTargetData(layout)
  }

  /// Throws where a module read from text is for another kind of machine, or lays data out otherwise.
  public func checkAdopted(_ module: borrowing IRModule) throws(Diagnostic) {
    let triple = String(cString: LLVMGetTarget(module.reference))
    let expected = takeMessage(LLVMGetTargetMachineTriple(reference))
    guard triple == expected else {
      throw Diagnostic(
        "the LLVM IR is for \(triple.isEmpty ? "no machine" : triple), not for \(expected)",
        help: "write it again with 'rephase emit --stage llvm'")
    }
    let layout = LLVMCreateTargetDataLayout(reference)
    defer { LLVMDisposeTargetData(layout) }
    let expectedLayout = takeMessage(LLVMCopyStringRepOfTargetData(layout))
    guard String(cString: LLVMGetDataLayoutStr(module.reference)) == expectedLayout else {
      throw Diagnostic(
        "the LLVM IR has another data layout than \(expected)",
        help: "write it again with 'rephase emit --stage llvm'")
    }
  }

  /// Runs `default<O3>`; `vectorizing` lets LLVM vectorize and unroll loops on its own.
  public func optimize(
    _ module: borrowing IRModule, vectorizing: Bool
  ) throws(Diagnostic) {
    let options = LLVMCreatePassBuilderOptions()
    defer { LLVMDisposePassBuilderOptions(options) }
    LLVMPassBuilderOptionsSetLoopVectorization(options, vectorizing ? 1 : 0)
    LLVMPassBuilderOptionsSetLoopInterleaving(options, vectorizing ? 1 : 0)
    LLVMPassBuilderOptionsSetSLPVectorization(options, vectorizing ? 1 : 0)
    LLVMPassBuilderOptionsSetLoopUnrolling(options, vectorizing ? 1 : 0)
    try check(
      LLVMRunPasses(module.reference, "default<O3>", reference, options),
      "LLVM's optimizer failed")
  }

  /// Machine code; a private copy of the module is consumed by it, so the module stays printable and usable.
  public func emit(_ module: borrowing IRModule, as output: Output) throws(Diagnostic) -> [UInt8] {
    guard let copy = LLVMCloneModule(module.reference) else {
      throw Diagnostic("LLVM has no memory left")
    }
    defer { LLVMDisposeModule(copy) }
    return try consume(copy, as: output)
  }

  /// Empties a module that is no longer needed, so that LLVM knows nothing of it when its address is another's:
  /// the NVPTX back end keeps what annotations say of kernels by the addresses of both, and forgets it only when
  /// it has printed the module (`clearAnnotationCache` of LLVM 19).
  public func forget(_ module: borrowing IRModule) {
    var next = LLVMGetFirstFunction(module.reference)
    while let function = next {
      next = LLVMGetNextFunction(function)
      guard LLVMIsDeclaration(function) == 0 else { continue }
      LLVMReplaceAllUsesWith(function, LLVMGetUndef(LLVMTypeOf(function)))
      LLVMDeleteFunction(function)
    }
    _ = try? consume(module.reference, as: .assembly)
  }

  /// Loop strength reduction took up to three quarters of the time for processors, and their loops were no faster for it
  /// (decision 0046).
  private func consume(
    _ module: LLVMModuleRef, as output: Output
  ) throws(Diagnostic) -> [UInt8] {
    if !String(cString: LLVMGetTarget(module)).hasPrefix("nvptx") {
      rephase_llvm_skip_strength_reduction(LLVMGetModuleContext(module))
    }
    var buffer: LLVMMemoryBufferRef?
    var message: UnsafeMutablePointer<CChar>?
    let kind = output == .assembly ? LLVMAssemblyFile : LLVMObjectFile
    let failed = LLVMTargetMachineEmitToMemoryBuffer(reference, module, kind, &message, &buffer)
    let problem = failed == 0 ? "" : takeMessage(message)
    guard failed == 0, let buffer else {
      throw Diagnostic("LLVM cannot generate code: \(problem)")
    }
    defer { LLVMDisposeMemoryBuffer(buffer) }
    let start = UnsafeRawPointer(LLVMGetBufferStart(buffer))
    return Array(UnsafeRawBufferPointer(start: start, count: LLVMGetBufferSize(buffer)))
  }
}

/// Registers LLVM's x86 and NVPTX back ends, once.
func initializeLLVM() { _ = initialized }

private let initialized: Bool = {
  // LLVM ends the process where it meets IR that its back end does not know; in our words, not with a signal.
  LLVMInstallFatalErrorHandler { reason in
    let text = reason.map { String(cString: $0) } ?? "unknown reason"
    let first = text.prefix { $0 != "\n" }
    let told = Diagnostic("LLVM cannot compile this model: \(first)").description + "\n"
    StandardError.write(told)
    _exit(1)
  }
  LLVMInitializeX86TargetInfo()
  LLVMInitializeX86Target()
  LLVMInitializeX86TargetMC()
  LLVMInitializeX86AsmPrinter()
  LLVMInitializeX86AsmParser()
  LLVMInitializeNVPTXTargetInfo()
  LLVMInitializeNVPTXTarget()
  LLVMInitializeNVPTXTargetMC()
  LLVMInitializeNVPTXAsmPrinter()
  return true
}()
