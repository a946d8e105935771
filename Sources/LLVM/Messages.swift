import CLLVM
import Diagnostics

/// What LLVM says in a heap string, as a Swift string; frees LLVM's.
func takeMessage(_ message: UnsafeMutablePointer<CChar>?) -> String {
  guard let message else { return "" }
  defer { LLVMDisposeMessage(message) }
  return String(cString: message)
}

/// Turns an LLVM error, if there is one, into a diagnostic that begins with `what`; consumes the error.
func check(_ error: LLVMErrorRef?, _ what: String) throws(Diagnostic) {
  guard let error else { return }
  let message = LLVMGetErrorMessage(error)
  defer { LLVMDisposeErrorMessage(message) }
  throw Diagnostic("\(what): \(message.map { String(cString: $0) } ?? "unknown LLVM error")")
}
