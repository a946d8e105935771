import Diagnostics
import GraphIR
import Operations
import Tensors

/// Borders around images.
enum Padding {
  /// Borders are an attribute up to version 10, inputs since 11, of some dimensions only since 18.
  static func pad(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let rank = try call.extents(of: 0).count
    let isOld = call.operatorSet < 11
    let borders = try self.borders(
      try isOld ? call.integers("pads") : call.integers(1), axes: try call.integers(3), rank, call)
    let word = try call.word("mode", "constant")
    try call.require("mode", word, among: ["constant"] + Continuation.allCases.map(\.rawValue))
    let mode = Continuation(rawValue: word)
    let number = try isOld ? call.real("value", 0) : call.floats(2)?.first
    func padded(_ x: ValueID, _ borders: [[Int]]) throws(Diagnostic) -> ValueID {
      guard let mode else { return try surrounded(x, borders, with: number ?? 0, call) }
      var result = x
      for (dimension, border) in borders.enumerated() {
        result = try continued(result, dimension, border, mode, call)
      }
      return result
    }
    guard case .slices = call.input(0), borders[0] == [0, 0] else {
      return [.value(try padded(try call.value(0), borders))]
    }
    let x = try Images(call)
    let planes = x.with(try padded(x.pixels, [[0, 0], borders[1], borders[3], borders[4]]))
    return [
      try planes.alongDepth { (x, dimension) throws(Diagnostic) in
        var all = call.shape(of: x).extents.map { _ in [0, 0] }
        all[dimension] = borders[2]
        return try padded(x, all)
      }.imported()
    ]
  }

  /// Before and after each dimension.
  private static func borders(
    _ pads: [Int]?, axes: [Int]?, _ rank: Int, _ call: NodeCall
  ) throws(Diagnostic) -> [[Int]] {
    var named: [Int] = []
    for axis in axes ?? Array(0..<rank) { named.append(try call.dimension(axis, rank: rank)) }
    let range = -(1 << 31)...(1 << 31)
    guard let pads, pads.count == 2 * named.count, pads.allSatisfy(range.contains) else {
      throw Diagnostic(
        "its borders \(pads ?? []) are not two for each of \(named.count) dimensions")
    }
    var borders = [[Int]](repeating: [0, 0], count: rank)
    for (index, dimension) in named.enumerated() {
      borders[dimension] = [pads[index], pads[index + named.count]]
    }
    return borders
  }

  /// A number around the last dimensions of a tensor; negative borders are cut off.
  static func surrounded(
    _ x: ValueID, _ borders: [[Int]], with number: Double, _ call: NodeCall
  ) throws(Diagnostic) -> ValueID {
    let rank = call.shape(of: x).rank
    let all = [[Int]](repeating: [0, 0], count: rank - borders.count) + borders
    guard number != 0 else {
      let pad = Pad(
        low: all.map { $0[0] }, high: all.map { $0[1] }, interior: all.map { _ in 0 })
      return all.allSatisfy { $0 == [0, 0] } ? x : try call.apply(pad, x)
    }
    var result = x
    for (dimension, border) in all.enumerated() {
      result = try cut(result, dimension, border, call)
      var pieces = [result]
      for (side, count) in border.enumerated() where count > 0 {
        var extents = call.shape(of: result).extents
        extents[dimension] = count
        pieces.insert(
          try call.constant(number, try Shape(extents)), at: side == 0 ? 0 : pieces.count)
      }
      result = try Layout.joined(pieces, dimension: dimension, call)
    }
    return result
  }

  /// Borders of a tensor's own elements: mirrored without the outermost, the outermost repeated, or those of the other end.
  private enum Continuation: String, CaseIterable { case reflect, edge, wrap }

  private static func continued(
    _ x: ValueID, _ dimension: Int, _ border: [Int], _ mode: Continuation, _ call: NodeCall
  ) throws(Diagnostic) -> ValueID {
    let x = try cut(x, dimension, border, call)
    let extent = call.shape(of: x)[dimension]
    var pieces = [x]
    for (side, count) in border.enumerated() where count > 0 {
      let first = side == 0
      let piece: ValueID
      switch mode {
      case .reflect:
        guard count < extent else {
          throw Diagnostic(
            "a border of \(count) is not smaller than the \(extent) that it mirrors")
        }
        let range = first ? 1..<count + 1 : extent - 1 - count..<extent - 1
        piece = try call.apply(
          Reverse(dimensions: [dimension]), try Slicing.cut(x, dimension, range, call))
      case .wrap:
        guard count <= extent else {
          throw Diagnostic("a border of \(count) is larger than the \(extent) that it repeats")
        }
        piece = try Slicing.cut(x, dimension, first ? extent - count..<extent : 0..<count, call)
      case .edge: piece = try repeated(x, dimension, at: first ? 0 : extent - 1, count, call)
      }
      pieces.insert(piece, at: first ? 0 : pieces.count)
    }
    return try Layout.joined(pieces, dimension: dimension, call)
  }

  private static func repeated(
    _ x: ValueID, _ dimension: Int, at index: Int, _ count: Int, _ call: NodeCall
  ) throws(Diagnostic) -> ValueID {
    let outermost = try Slicing.cut(x, dimension, index..<index + 1, call)
    var extents = call.shape(of: x).extents
    extents[dimension] = count
    return try call.broadcast(
      outermost, to: try Shape(extents), dimensions: Array(extents.indices))
  }

  /// Without what negative borders take away.
  private static func cut(
    _ x: ValueID, _ dimension: Int, _ border: [Int], _ call: NodeCall
  ) throws(Diagnostic) -> ValueID {
    let extent = call.shape(of: x)[dimension]
    let (start, end) = (max(0, -border[0]), extent - max(0, -border[1]))
    guard start < end else { throw Diagnostic("nothing is left of dimension \(dimension)") }
    return try Slicing.cut(x, dimension, start..<end, call)
  }
}
