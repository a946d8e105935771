import CRephaseRuntime
import Diagnostics
import Tensors

/// A session's own buffers and threads; runs without allocating.
public final class Runner {
  private let session: NativeSession
  private let pool: ThreadPool
  private var inputs: [AlignedMemory]
  private var outputs: [AlignedMemory]
  private let workspace: AlignedMemory
  private var inputPointers: [UnsafeRawPointer?]
  private var outputPointers: [UnsafeMutableRawPointer?]

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
    for (number, tensor) in tensors.enumerated() { try setInput(number, tensor) }
  }

  /// One input, by its number; the others stay. Throws where its shape is not the model's.
  public func setInput(_ number: Int, _ tensor: Tensor<Float>) throws(Diagnostic) {
    try session.inputs[number].check(tensor, "input")
    inputs[number].fill(tensor.values)
  }

  /// What the next run takes as this input.
  public func input(_ number: Int) throws(Diagnostic) -> Tensor<Float> {
    let shape = session.inputs[number].shape
    return try Tensor(shape, inputs[number].floats(shape.elementCount))
  }

  /// Lets the next run take an output of this one as an input of the same shape, without a copy.
  public func exchange(output: Int, input: Int) {
    precondition(session.outputs[output].shape == session.inputs[input].shape)
    swap(&inputs[input], &outputs[output])
    inputPointers[input] = UnsafeRawPointer(inputs[input].pointer)
    outputPointers[output] = outputs[output].pointer
  }

  /// The whole model, on the inputs set last.
  public func runOnce() { run(session.whole) }

  /// The kernel call of this number alone (see `callNames`), for timing; 0 ..< callCount.
  public func runCall(_ number: Int) { run(session.calls[number]) }

  /// The whole model, kernel by kernel; `exchange` starts to change the result of each kernel whose name starts with
  /// `prefix`, and finishes before the first kernel that needs one of those results, or at the end.
  ///
  /// Throws what `exchange` throws, and where the session was not made for timing or a result is not dense.
  public func runOnce(
    exchanging prefix: String, with exchange: any Exchange
  ) throws(Diagnostic) {
    guard callCount == session.callNames.count else {
      throw Diagnostic("the kernels of this session cannot be run one by one")
    }
    var pending: Set<String> = []
    for (number, name) in session.callNames.enumerated() {
      if !pending.isDisjoint(with: session.callBuffers[number]) {
        try exchange.finish()
        pending = []
      }
      runCall(number)
      if name.hasPrefix(prefix) {
        guard let result = session.callResults[number] else {
          throw Diagnostic("the result of kernel \(name) is not a dense float32 tensor")
        }
        try exchange.start(memory(of: result))
        pending.insert(result.buffer)
      } else if !pending.isEmpty {
        try exchange.progress()
      }
    }
    try exchange.finish()
  }

  private func memory(of result: CallResult) -> UnsafeMutableBufferPointer<Float> {
    let start: UnsafeMutableRawPointer
    switch result.place {
    case .output(let index): start = outputs[index].pointer
    case .workspace(let offset): start = workspace.pointer + offset
    }
    return UnsafeMutableBufferPointer(
      start: start.assumingMemoryBound(to: Float.self), count: result.count)
  }

  /// Kernel calls that can be run alone: none where the session was not made for timing.
  public var callCount: Int { session.calls.count }

  /// The outputs of the last run.
  public func results() throws(Diagnostic) -> [Tensor<Float>] {
    var results: [Tensor<Float>] = []
    for number in outputs.indices { results.append(try result(number)) }
    return results
  }

  /// One output of the last run, by its number.
  public func result(_ number: Int) throws(Diagnostic) -> Tensor<Float> {
    let shape = session.outputs[number].shape
    return try Tensor(shape, outputs[number].floats(shape.elementCount))
  }

  private func run(_ function: rephase_kernels) {
    rephase_call(
      function, inputPointers, outputPointers, session.constants.pointer, workspace.pointer,
      pool.parallel)
  }
}
