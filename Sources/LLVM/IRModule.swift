import CLLVM
import Diagnostics

/// Owns one LLVM module and the context in which its types and values live.
public struct IRModule: ~Copyable {
  public let context: LLVMContextRef
  public let reference: LLVMModuleRef

  /// An empty module; the name appears in its text and nowhere in machine code.
  public init(name: String) {
    context = LLVMContextCreate()
    reference = LLVMModuleCreateWithNameInContext(name, context)
  }

  /// Reads LLVM's textual IR; throws where it does not parse or verify.
  public init(parsing text: String, name: String) throws(Diagnostic) {
    guard let context = LLVMContextCreate() else { throw Diagnostic("LLVM has no memory left") }
    let bytes = Array(text.utf8CString)
    let buffer = bytes.withUnsafeBufferPointer {
      LLVMCreateMemoryBufferWithMemoryRangeCopy($0.baseAddress, bytes.count - 1, name)
    }
    LLVMContextSetDiagnosticHandler(context, { _, _ in }, nil)
    var module: LLVMModuleRef?
    var message: UnsafeMutablePointer<CChar>?
    // Consumes the buffer, whether it succeeds or not.
    let failed = LLVMParseIRInContext(context, buffer, &module, &message)
    let problem = takeMessage(message)
    guard failed == 0, let module else {
      LLVMContextDispose(context)
      // LLVM says `name:line:column: error: what`, then shows the line.
      let first = problem.prefix { $0 != "\n" }
      let told = first.hasPrefix(name + ":") ? first.dropFirst(name.count + 1) : first
      throw Diagnostic(
        "the LLVM IR does not parse: \(told.replacing(": error: ", with: ": "))",
        help: "lines and columns are those of the IR; write the dump again")
    }
    if let complaint = complaint(about: module) {
      LLVMDisposeModule(module)
      LLVMContextDispose(context)
      throw complaint
    }
    self.context = context
    reference = module
  }

  deinit {
    LLVMDisposeModule(reference)
    LLVMContextDispose(context)
  }

  /// The module in LLVM's textual form.
  public var text: String { takeMessage(LLVMPrintModuleToString(reference)) }

  /// Throws LLVM's complaint where the module is not well-formed.
  public func verify() throws(Diagnostic) {
    if let complaint = complaint(about: reference) { throw complaint }
  }

  /// Stores one string under a named metadata node, where textual IR keeps it: `!name = !{!"string"}`.
  public func setMetadata(_ name: String, to string: String) {
    let node = LLVMMDStringInContext2(context, string, string.utf8.count)
    var operands = [node]
    let tuple = LLVMMDNodeInContext2(context, &operands, 1)
    LLVMAddNamedMetadataOperand(reference, name, LLVMMetadataAsValue(context, tuple))
  }

  /// The string that `setMetadata` stored, or nil.
  public func metadata(_ name: String) -> String? {
    guard LLVMGetNamedMetadataNumOperands(reference, name) > 0 else { return nil }
    var nodes: [LLVMValueRef?] = Array(
      repeating: nil, count: Int(LLVMGetNamedMetadataNumOperands(reference, name)))
    LLVMGetNamedMetadataOperands(reference, name, &nodes)
    guard let node = nodes[0], LLVMGetMDNodeNumOperands(node) == 1 else { return nil }
    var operands: [LLVMValueRef?] = [nil]
    LLVMGetMDNodeOperands(node, &operands)
    guard let operand = operands[0], LLVMIsAMDString(operand) != nil else { return nil }
    var length: UInt32 = 0
    guard let characters = LLVMGetMDString(operand, &length) else { return nil }
    let bytes = UnsafeBufferPointer(start: characters, count: Int(length))
    return String(decoding: bytes.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

/// What LLVM's verifier has against the module, or nil.
private func complaint(about module: LLVMModuleRef) -> Diagnostic? {
  var message: UnsafeMutablePointer<CChar>?
  let failed = LLVMVerifyModule(module, LLVMReturnStatusAction, &message)
  let problem = takeMessage(message)
  if failed == 0 { return nil }
  let lines = problem.split(separator: "\n").map(String.init)
  return Diagnostic(
    "LLVM rejects the module: \(lines.first ?? "")", notes: Array(lines.dropFirst().prefix(5)))
}
