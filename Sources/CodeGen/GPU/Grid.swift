import Diagnostics
import LoopIR
import Schedules

/// How a kernel is launched: blocks in one dimension, threads in one dimension.
///
/// Nested `gpu_block` loops share the one number, the innermost changing fastest; a `gpu_thread` loop of fewer
/// iterations than the block has threads leaves the others idle.
public struct KernelGrid: Hashable, Sendable {
  public var blocks: Int
  public var threads: Int
  /// Bytes of shared memory that a launch asks for: all of a block, where they are more than a kernel may declare.
  public var dynamicSharedBytes: Int

  /// Throws where the kernel is not one nest of `gpu_block` loops around `gpu_thread` loops.
  public init(of kernel: Kernel) throws(Diagnostic) {
    var blocks = 1
    var body = kernel.body
    var depth = 0
    while body.count == 1, case .loop(let loop) = body[0], loop.kind == .gpuBlock {
      guard let extent = loop.constantExtent else { break }
      let (product, overflow) = blocks.multipliedReportingOverflow(by: extent)
      guard !overflow, product <= LoopVerifier.maximumBlocks else {
        throw Diagnostic("kernel \(kernel.name) has more blocks than a GPU can launch")
      }
      blocks = product
      body = loop.body
      depth += 1
    }
    var threads = 0
    var isFlat = true
    body.forEachStatement { statement in
      guard case .loop(let loop) = statement else { return }
      if loop.kind == .gpuThread { threads = max(threads, loop.constantExtent ?? 0) }
      if loop.kind == .gpuBlock || loop.kind == .parallel { isFlat = false }
    }
    guard depth > 0, blocks > 0, threads > 0, isFlat else {
      throw Diagnostic(
        "kernel \(kernel.name) is not scheduled as blocks of threads",
        help: "its form is not known to the GPU's schedules; choose a CPU target")
    }
    self.blocks = blocks
    self.threads = threads
    let sharedBytes = try kernel.sharedByteCount()
    dynamicSharedBytes = sharedBytes > GPU.staticSharedBytes ? sharedBytes : 0
  }
}

extension Buffer {
  /// Bytes from the start of a shared buffer to that of the next one, at which 16 bytes can be read at once.
  func sharedByteCount() throws(Diagnostic) -> Int {
    (try checkedSpan() * element.byteCount + 15) / 16 * 16
  }
}

extension Kernel {
  fileprivate func sharedByteCount() throws(Diagnostic) -> Int {
    var shared: [Buffer] = []
    body.forEachStatement {
      if case .allocate(let buffer) = $0, buffer.space == .shared { shared.append(buffer) }
    }
    var bytes = 0
    for buffer in shared { bytes += min(try buffer.sharedByteCount(), 1 << 40) }
    return bytes
  }

  /// The kernel without its work: parameters, grid and what a launch asks for, as dumps of PTX describe it.
  public func gridOnly() throws(Diagnostic) -> Kernel {
    let grid = try KernelGrid(of: self)
    var result = self
    let threads = Loop("t", .integer(0), .integer(grid.threads), kind: .gpuThread, body: [])
    var block: [Statement] = []
    if grid.dynamicSharedBytes > 0 {
      let words = grid.dynamicSharedBytes / 4
      block.append(.allocate(Buffer("shared", .f32, extents: [words], space: .shared)))
    }
    block.append(.loop(threads))
    result.body = [
      .loop(Loop("b", .integer(0), .integer(grid.blocks), kind: .gpuBlock, body: block))
    ]
    // Names of parameters come first; the grid's may be taken.
    let taken = Set(parameters.map(\.buffer.name))
    var names: [String: String] = [:]
    for name in ["b", "t", "shared"] where taken.contains(name) { names[name] = "grid.\(name)" }
    result.body = result.body.renaming(names)
    return result
  }
}
