import CodeGen
import Diagnostics
import LoopIR
import Schedules

/// What a compiled model needs of memory, and what lies where in its arena while it runs.
public struct MemoryMap: Encodable, Sendable {
  /// An image between kernels.
  public struct Buffer: Encodable, Sendable {
    public var name: String
    public var shape: [Int]
    /// Of its first byte in the arena.
    public var offset: Int
    public var bytes: Int
    /// The kernels, by number, from the one that writes it to the last one that reads it.
    public var first: Int
    public var last: Int
  }

  public var net: String
  /// The workspace that the host hands over.
  public var arenaBytes: Int
  /// Folded and packed weights.
  public var constantBytes: Int
  /// Inputs and outputs, which are the host's.
  public var hostBytes: Int
  /// In the order in which they run.
  public var kernels: [String]
  /// By offset, then by time.
  public var buffers: [Buffer]

  enum CodingKeys: String, CodingKey {
    case net, kernels, buffers
    case arenaBytes = "arena_bytes"
    case constantBytes = "constant_bytes"
    case hostBytes = "host_bytes"
  }

  /// Throws where the model is past the scheduled stage: its code does not say what it keeps where.
  public init(_ module: LoopModule) throws(Diagnostic) {
    guard !module.run.isEmpty else {
      throw Diagnostic(
        "machine code does not show its memory", help: "give the model at an earlier stage")
    }
    net = module.name
    arenaBytes = try module.workspaceByteCount()
    constantBytes = Self.bytes(module) { $0 == .constant }
    hostBytes = Self.bytes(module) { role in
      switch role {
      case .input, .output: return true
      default: return false
      }
    }
    kernels = module.run.map { statement in
      if case .call(let kernel, _) = statement { return kernel } else { return "" }
    }
    var buffers: [Buffer] = []
    for item in module.lifetimes() {
      let buffer = module.buffers[item.buffer].buffer
      guard case .temporary(let offset?) = module.buffers[item.buffer].role else { continue }
      buffers.append(
        Buffer(
          name: buffer.name, shape: buffer.extents, offset: offset, bytes: item.bytes,
          first: item.first, last: item.last))
    }
    self.buffers = buffers.sorted { ($0.offset, $0.first) < ($1.offset, $1.first) }
  }

  private static func bytes(_ module: LoopModule, _ isWanted: (BufferRole) -> Bool) -> Int {
    module.buffers.filter { isWanted($0.role) }.reduce(0) { $0 + $1.buffer.byteCount }
  }
}
