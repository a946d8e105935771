import LoopIR

/// Gives every temporary of `run` its place in one arena; buffers that are not alive together share memory.
///
/// Greedy by size (largest first, lowest free offset): the layout depends on the module alone.
public enum PlanMemory {
  /// Places start at multiples of this many bytes: a cache line and the widest vector.
  public static let alignment = 64

  public static func apply(to module: LoopModule) -> LoopModule {
    var placed: [(item: Lifetime, offset: Int)] = []
    let wanted = module.lifetimes().sorted { a, b in
      a.bytes == b.bytes ? a.buffer < b.buffer : a.bytes > b.bytes
    }
    for item in wanted {
      let neighbours =
        placed
        .filter { $0.item.overlaps(item) }
        .sorted { $0.offset < $1.offset }
      var offset = 0
      for other in neighbours where offset < other.offset + other.item.bytes {
        if offset + item.bytes <= other.offset { break }
        offset = other.offset + other.item.bytes
      }
      placed.append((item, offset))
    }
    var result = module
    for (item, offset) in placed {
      result.buffers[item.buffer].role = .temporary(offset: offset)
    }
    return result
  }
}

/// The calls of `run` during which a temporary must keep its content.
public struct Lifetime: Hashable, Sendable {
  /// Its number among the module's buffers.
  public var buffer: Int
  /// Its size, rounded up to whole cache lines.
  public var bytes: Int
  /// Numbers of the first and the last call that use it.
  public var first: Int
  public var last: Int

  func overlaps(_ other: Lifetime) -> Bool { first <= other.last && other.first <= last }
}

extension LoopModule {
  /// One for each temporary, in the order of the buffers.
  public func lifetimes() -> [Lifetime] {
    var uses: [String: (first: Int, last: Int)] = [:]
    for (number, statement) in run.enumerated() {
      guard case .call(_, let arguments) = statement else { continue }
      for name in arguments { uses[name] = (uses[name]?.first ?? number, number) }
    }
    return buffers.enumerated().compactMap { index, item in
      guard case .temporary = item.role else { return nil }
      let used = uses[item.buffer.name] ?? (0, 0)
      let lines = (item.buffer.byteCount + PlanMemory.alignment - 1) / PlanMemory.alignment
      return Lifetime(
        buffer: index, bytes: lines * PlanMemory.alignment, first: used.first, last: used.last)
    }
  }
}
