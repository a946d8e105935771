import Glibc

/// Zeroed memory at a 64-byte boundary, freed with its owner.
///
/// Large memory lies in huge pages where the system has them: it then takes few page faults and few entries of the
/// processor's page table cache.
public final class AlignedMemory {
  public let pointer: UnsafeMutableRawPointer
  public let byteCount: Int

  public init(byteCount: Int) {
    self.byteCount = byteCount
    let isLarge = byteCount >= 2 * Self.hugePage
    pointer = .allocate(
      byteCount: max(byteCount, 64), alignment: isLarge ? Self.hugePage : 64)
    if isLarge {
      // Only whole pages: what else lies behind them is not ours to ask for. A refusal changes nothing but speed.
      _ = madvise(pointer, byteCount / Self.hugePage * Self.hugePage, MADV_HUGEPAGE)
    }
    pointer.initializeMemory(as: UInt8.self, repeating: 0, count: max(byteCount, 64))
  }

  private static let hugePage = 2 << 20

  deinit { pointer.deallocate() }

  /// The contents, copied.
  public var bytes: [UInt8] {
    Array(UnsafeRawBufferPointer(start: pointer, count: byteCount))
  }

  /// Overwrites the first elements; there must be room for them.
  func fill(_ values: [Float]) {
    precondition(values.count * 4 <= byteCount)
    values.withUnsafeBytes { source in
      if let start = source.baseAddress {
        pointer.copyMemory(from: start, byteCount: source.count)
      }
    }
  }

  /// The first `count` floats, copied.
  func floats(_ count: Int) -> [Float] {
    precondition(count * 4 <= byteCount)
    return Array(
      UnsafeBufferPointer(start: pointer.assumingMemoryBound(to: Float.self), count: count))
  }
}
