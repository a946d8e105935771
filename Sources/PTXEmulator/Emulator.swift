import Diagnostics

/// Runs the PTX that Rephase writes, slowly and with checks: for tests on machines without a GPU.
///
/// Every access must lie in its buffer or in shared memory, be aligned to its width, and read what has been written;
/// threads of a block must have a barrier between a write and another thread's access to the same word, and no two
/// threads of a launch may touch a word of global memory that one of them writes. What breaks a rule ends the launch
/// with an error that names the instruction, the block and the thread. Instructions that Rephase does not use are
/// errors too.
public final class Emulator {
  private var kernels: [String: KernelCode] = [:]
  private var launches: UInt32 = 0
  /// Instructions that a warp may execute in one block.
  private static let budget = 50_000_000

  /// Throws, with the line, where the text is no PTX that it knows.
  public init(_ text: String) throws(Diagnostic) {
    for kernel in try PTXReader.kernels(of: text) { kernels[kernel.name] = try KernelCode(kernel) }
  }

  /// Runs a kernel on a grid, block after block; one buffer for each parameter, and the bytes of shared memory that
  /// each block has besides what the kernel declares.
  ///
  /// What the kernel may write is undefined at its start.
  public func launch(
    _ entry: String, blocks: Int, threads: Int, dynamicSharedBytes: Int = 0,
    buffers: [DeviceBuffer]
  ) throws(Diagnostic) {
    guard let code = kernels[entry] else { throw Diagnostic("the PTX has no kernel \(entry)") }
    guard code.parameters.count == buffers.count else {
      throw Diagnostic(
        "kernel \(entry) has \(code.parameters.count) parameters, \(buffers.count) are given")
    }
    guard (1...code.maximumThreads).contains(threads), blocks > 0 else {
      throw Diagnostic("kernel \(entry) cannot run \(blocks) blocks of \(threads) threads")
    }
    launches += 1
    for buffer in buffers where !buffer.isReadable { buffer.memory.forget(buffer.range) }
    let shared = SharedMemory(
      byteCount: dynamicSharedBytes > 0
        ? code.dynamicOffset + dynamicSharedBytes : code.sharedBytes, threads: threads)
    let warps = stride(from: 0, to: threads, by: Warp.lanes).map {
      Warp(
        code, firstThread: $0, threads: threads, shared: shared, buffers: buffers,
        launch: launches)
    }
    for block in 0..<blocks {
      shared.startBlock()
      for warp in warps { warp.start(block: block) }
      try run(warps, code, shared)
    }
  }

  /// Runs a block from barrier to barrier until all threads have returned.
  private func run(
    _ warps: [Warp], _ code: KernelCode, _ shared: SharedMemory
  ) throws(Diagnostic) {
    var budget = Self.budget * warps.count
    while true {
      var barriers: Set<Int?> = []
      for warp in warps {
        try warp.run(code, budget: &budget)
        barriers.insert(try warp.barrier())
      }
      guard barriers.count == 1, let place = barriers.first else {
        throw Diagnostic(
          "kernel \(code.name): some threads wait at a barrier that others do not reach")
      }
      if place == nil { return }
      shared.passBarrier()
      for warp in warps { warp.passBarrier() }
    }
  }
}
