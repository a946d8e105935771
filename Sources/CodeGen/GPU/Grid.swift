import Diagnostics
import LoopIR

/// How a kernel is launched: blocks in one dimension, threads in one dimension.
///
/// Nested `gpu_block` loops share the one number, the innermost changing fastest; a `gpu_thread` loop of fewer
/// iterations than the block has threads leaves the others idle.
public struct KernelGrid: Hashable, Sendable {
  public var blocks: Int
  public var threads: Int

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
  }
}

extension Kernel {
  /// The kernel without its work: parameters and grid, as dumps of PTX describe it.
  public func gridOnly() throws(Diagnostic) -> Kernel {
    let grid = try KernelGrid(of: self)
    var result = self
    let threads = Loop("t", .integer(0), .integer(grid.threads), kind: .gpuThread, body: [])
    result.body = [
      .loop(
        Loop("b", .integer(0), .integer(grid.blocks), kind: .gpuBlock, body: [.loop(threads)]))
    ]
    // Names of parameters come first; the grid's may be taken.
    let taken = Set(parameters.map(\.buffer.name))
    var names: [String: String] = [:]
    for name in ["b", "t"] where taken.contains(name) { names[name] = "grid.\(name)" }
    result.body = result.body.renaming(names)
    return result
  }
}
