import LoopIR

/// Gives every temporary of `run` its place in one arena; buffers that are not alive together share memory.
///
/// Greedy by size (largest first, lowest free offset): the layout depends on the module alone.
public enum PlanMemory {
  /// Places start at multiples of this many bytes: a cache line and the widest vector.
  public static let alignment = 64

  private struct Item {
    var index: Int
    var bytes: Int
    var first: Int
    var last: Int
    var offset = 0
  }

  public static func apply(to module: LoopModule) -> LoopModule {
    var placed: [Item] = []
    let wanted = items(of: module).sorted { a, b in
      a.bytes == b.bytes ? a.index < b.index : a.bytes > b.bytes
    }
    for var item in wanted {
      let neighbours =
        placed
        .filter { $0.first <= item.last && item.first <= $0.last }
        .sorted { $0.offset < $1.offset }
      for other in neighbours where item.offset < other.offset + other.bytes {
        if item.offset + item.bytes <= other.offset { break }
        item.offset = other.offset + other.bytes
      }
      placed.append(item)
    }
    var result = module
    for item in placed { result.buffers[item.index].role = .temporary(offset: item.offset) }
    return result
  }

  private static func items(of module: LoopModule) -> [Item] {
    module.buffers.enumerated().compactMap { index, buffer in
      guard case .temporary = buffer.role else { return nil }
      let uses = module.run.enumerated().filter { _, statement in
        guard case .call(_, let arguments) = statement else { return false }
        return arguments.contains(buffer.buffer.name)
      }
      return Item(
        index: index, bytes: rounded(buffer.buffer.byteCount), first: uses.first?.offset ?? 0,
        last: uses.last?.offset ?? 0)
    }
  }

  private static func rounded(_ bytes: Int) -> Int {
    (bytes + alignment - 1) / alignment * alignment
  }
}
