import Diagnostics
import LoopIR

/// Buffers one after the other in a single block of memory, each at a 64-byte aligned offset, in order of declaration.
///
/// All of a model's constants lie so in one blob: what `prepare` writes, `run` reads and a library embeds.
public struct BufferLayout: Hashable, Sendable {
  public static let alignment = 64

  /// Offset in bytes of each buffer by name.
  public private(set) var offsets: [String: Int] = [:]
  /// Of the whole block; a multiple of 64.
  public private(set) var byteCount = 0

  /// Throws where a buffer has no valid layout or the sum passes any memory.
  public init(_ buffers: [Buffer]) throws(Diagnostic) {
    for buffer in buffers {
      offsets[buffer.name] = byteCount
      let bytes = try buffer.checkedSpan() * buffer.element.byteCount
      byteCount += (bytes + Self.alignment - 1) / Self.alignment * Self.alignment
      guard byteCount <= 1 << 44 else {
        throw Diagnostic("buffer %\(buffer.name) makes the model larger than any memory")
      }
    }
  }
}

extension LoopModule {
  /// Where each constant lies in the blob of constants.
  public func constantLayout() throws(Diagnostic) -> BufferLayout {
    try BufferLayout(buffers.filter { $0.role == .constant }.map(\.buffer))
  }

  /// Where each scratch buffer of `prepare` lies.
  public func scratchLayout() throws(Diagnostic) -> BufferLayout {
    try BufferLayout(buffers.filter { $0.role == .scratch }.map(\.buffer))
  }

  /// Bytes of the arena: one past the last byte of any temporary. Throws where memory is not planned.
  public func workspaceByteCount() throws(Diagnostic) -> Int {
    var end = 0
    for item in buffers {
      guard case .temporary(let offset) = item.role else { continue }
      end = max(end, try planned(item.buffer, offset) + item.buffer.byteCount)
    }
    return (end + 63) / 64 * 64
  }

  /// The offset of a temporary, checked.
  func planned(_ buffer: Buffer, _ offset: Int?) throws(Diagnostic) -> Int {
    guard let offset else {
      throw Diagnostic(
        "temporary %\(buffer.name) has no place in the arena",
        help: "plan memory before generating code")
    }
    _ = try buffer.checkedSpan()
    guard offset >= 0, offset <= 1 << 44, offset % buffer.element.byteCount == 0 else {
      throw Diagnostic("temporary %\(buffer.name) cannot lie at offset \(offset)")
    }
    return offset
  }
}
