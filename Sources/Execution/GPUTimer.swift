import CRephaseRuntime
import Diagnostics

/// Times kernels on this machine's first GPU, by events of its driver around graphs of launches.
///
/// Memory is one block that all launches share, full of small numbers: times do not depend on which. For one thread.
public final class GPUTimer {
  /// A kernel's code on the GPU.
  public struct Function {
    fileprivate let pointer: UnsafeMutableRawPointer
  }

  /// Code that was loaded; it stays as long as the timer.
  public struct Code {
    fileprivate let pointer: UnsafeMutableRawPointer
  }

  /// Launches in order; they stay until the timer discards them.
  public struct Graph {
    fileprivate let pointer: UnsafeMutableRawPointer
  }

  public struct Launch {
    public var function: Function
    public var blocks: Int
    public var threads: Int
    public var sharedBytes: Int
    /// Addresses of the kernel's buffers.
    public var arguments: [UInt64]

    public init(
      _ function: Function, blocks: Int, threads: Int, sharedBytes: Int, arguments: [UInt64]
    ) {
      (self.function, self.arguments) = (function, arguments)
      (self.blocks, self.threads, self.sharedBytes) = (blocks, threads, sharedBytes)
    }
  }

  private let timer: OpaquePointer

  /// Throws where the driver or the GPU is missing, or the driver cannot time graphs.
  public init() throws(Diagnostic) {
    timer = try HostGPU.open("kernels cannot be timed on a GPU here")
  }

  deinit { rephase_gpu_close(timer) }

  /// What the driver calls the GPU.
  public var gpu: String { String(cString: rephase_gpu_name(timer)) }

  /// The address of at least so many bytes; what launches were made with before may be gone.
  public func reserve(_ byteCount: Int) throws(Diagnostic) -> UInt64 {
    var address: UInt64 = 0
    try HostGPU.check(rephase_gpu_reserve(timer, byteCount, &address), "reserving memory")
    return address
  }

  /// Machine code, or PTX, which the driver compiles.
  public func load(_ code: [UInt8]) throws(Diagnostic) -> Code {
    var module: UnsafeMutableRawPointer?
    try HostGPU.check(rephase_gpu_load(timer, code + [0], &module), "loading code")
    guard let module else { throw HostGPU.failure(0, "loading code") }
    return Code(pointer: module)
  }

  /// A kernel by its name in the code; `sharedBytes` are what its launches ask for.
  public func function(
    _ name: String, of code: Code, sharedBytes: Int
  ) throws(Diagnostic) -> Function {
    var function: UnsafeMutableRawPointer?
    let result = rephase_gpu_find(
      timer, code.pointer, name, UInt32(clamping: sharedBytes), &function)
    try HostGPU.check(result, "finding the kernel \(name)")
    guard let function else { throw HostGPU.failure(0, "finding the kernel \(name)") }
    return Function(pointer: function)
  }

  public func graph(_ launches: [Launch]) throws(Diagnostic) -> Graph {
    var graph: UnsafeMutableRawPointer?
    // The launches' addresses beside each other, so that one pointer serves all.
    let arguments = launches.flatMap(\.arguments)
    let result = arguments.withUnsafeBufferPointer { addresses in
      var first = 0
      let timed = launches.map { launch in
        defer { first += launch.arguments.count }
        return rephase_timed_launch(
          function: launch.function.pointer, blocks: UInt32(clamping: launch.blocks),
          threads: UInt32(clamping: launch.threads),
          shared_bytes: UInt32(clamping: launch.sharedBytes),
          arguments: addresses.baseAddress.map { $0 + first }, count: launch.arguments.count)
      }
      return rephase_gpu_graph(timer, timed, timed.count, &graph)
    }
    try HostGPU.check(result, "making a graph of launches")
    guard let graph else { throw HostGPU.failure(0, "making a graph of launches") }
    return Graph(pointer: graph)
  }

  public func discard(_ graph: Graph) { rephase_gpu_discard(timer, graph.pointer) }

  /// Seconds that one run of all launches takes.
  public func seconds(_ graph: Graph) throws(Diagnostic) -> Double {
    var seconds = 0.0
    try HostGPU.check(rephase_gpu_seconds(timer, graph.pointer, &seconds), "running kernels")
    return seconds
  }
}
