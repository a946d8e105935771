import CLLVM
import Diagnostics
import LoopIR
import Tensors

/// What an expression has become.
enum Emitted {
  case index(LinearIndex)
  /// A condition that is known now.
  case truth(Bool)
  /// An i1, or a vector of them where `lanes`.
  case boolean(LLVMValueRef, lanes: Bool)
  /// A scalar, or a vector where `lanes`.
  case element(LLVMValueRef, ElementType, lanes: Bool)
}

/// Why a piece of a kernel was not emitted.
enum EmitFailure: Error {
  case diagnostic(Diagnostic)
  /// The body of a vectorized loop that cannot be done in vectors; it is emitted again, lane by lane.
  case needsScalarLanes
}

/// Where a buffer is, as code sees it.
struct Slot {
  var buffer: Buffer
  var pointer: LLVMValueRef
  /// Proven for the first element, in bytes.
  var alignment: Int
  /// Heap buffers that the function must not write.
  var isReadOnly: Bool
  /// Each GPU thread has a part of its own: the first index only says whose.
  var isPerThread = false
}

func complain(_ message: String, help: String? = nil) -> EmitFailure {
  .diagnostic(Diagnostic(message, help: help))
}
