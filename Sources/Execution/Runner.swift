import CRephaseRuntime
import Diagnostics
import Tensors

/// A session's own buffers and threads; runs without allocating.
public final class Runner {
  private let session: NativeSession
  private let pool: ThreadPool
  private let inputs: [AlignedMemory]
  private let outputs: [AlignedMemory]
  private let workspace: AlignedMemory
  private let inputPointers: [UnsafeRawPointer?]
  private let outputPointers: [UnsafeMutableRawPointer?]

  init(_ session: NativeSession, threads: Int) {
    self.session = session
    pool = ThreadPool(threads: threads)
    inputs = session.inputs.map { AlignedMemory(byteCount: $0.shape.elementCount * 4) }
    outputs = session.outputs.map { AlignedMemory(byteCount: $0.shape.elementCount * 4) }
    workspace = AlignedMemory(byteCount: session.workspaceBytes)
    inputPointers = inputs.map { UnsafeRawPointer($0.pointer) } + [nil]
    outputPointers = outputs.map { $0.pointer } + [nil]
  }

  /// Throws where number or shapes are not the model's.
  public func setInputs(_ tensors: [Tensor<Float>]) throws(Diagnostic) {
    guard tensors.count == session.inputs.count else {
      throw Diagnostic("the model takes \(session.inputs.count) inputs, not \(tensors.count)")
    }
    for (tensor, (declared, memory)) in zip(tensors, zip(session.inputs, inputs)) {
      try declared.check(tensor, "input")
      memory.fill(tensor.values)
    }
  }

  /// The whole model, on the inputs set last.
  public func runOnce() { run(session.whole) }

  /// The kernel call of this number alone (see `callNames`), for timing; 0 ..< callCount.
  public func runCall(_ number: Int) { run(session.calls[number]) }

  /// Kernel calls that can be run alone: none where the session was not made for timing.
  public var callCount: Int { session.calls.count }

  /// The outputs of the last run.
  public func results() throws(Diagnostic) -> [Tensor<Float>] {
    var results: [Tensor<Float>] = []
    for (declared, memory) in zip(session.outputs, outputs) {
      results.append(try Tensor(declared.shape, memory.floats(declared.shape.elementCount)))
    }
    return results
  }

  private func run(_ function: rephase_kernels) {
    rephase_call(
      function, inputPointers, outputPointers, session.constants.pointer, workspace.pointer,
      pool.parallel)
  }
}
