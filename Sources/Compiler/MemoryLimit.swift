import CodeGen
import Diagnostics
import LoopIR

/// What one model may take of this machine's memory.
enum MemoryLimit {
  /// 16 GiB: far more than any reconstruction of images needs.
  static let maximumBytes = 16 << 30

  /// Throws before anything is allocated where weights, constants, inputs, outputs and the arena take more.
  static func check(_ module: LoopModule) throws(Diagnostic) {
    let held = module.buffers.filter { item in
      switch item.role {
      case .temporary, .slice: return false
      default: return true
      }
    }
    let buffers = try BufferLayout(held.map(\.buffer)).byteCount
    let bytes = try buffers + module.workspaceByteCount()
    guard bytes <= maximumBytes else {
      throw Diagnostic(
        "@\(module.name) takes \(bytes >> 30) GiB of memory, more than the \(maximumBytes >> 30) GiB "
          + "that a model may take", help: "use smaller images or a smaller batch")
    }
  }
}
