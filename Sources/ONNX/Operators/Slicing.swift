import Diagnostics
import GraphIR
import Operations
import Tensors

/// Parts of tensors.
enum Slicing {
  /// Where a part lies along one dimension: from `start` in steps that may be negative.
  private struct Range {
    var dimension: Int
    var start: Int
    var count: Int
    var step: Int
  }

  /// Limits are attributes up to version 9, inputs since 10.
  static func slice(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let isOld = call.operatorSet < 10
    let starts = try isOld ? call.integers("starts") : call.integers(1)
    let ends = try isOld ? call.integers("ends") : call.integers(2)
    let axes = try isOld ? call.integers("axes") : call.integers(3)
    let steps = try isOld ? nil : call.integers(4)
    guard let starts, let ends else { throw Diagnostic("its limits are left out") }
    let extents = try call.extents(of: 0)
    let dimensions = axes ?? Array(starts.indices)
    guard ends.count == starts.count, dimensions.count == starts.count,
      steps?.count ?? starts.count == starts.count
    else { throw Diagnostic("its limits, axes and steps are lists of different lengths") }
    // Of images something has to be left, of lists of sizes nothing may be.
    let isList = if case .integers = call.input(0) { true } else { false }
    var ranges: [Range] = []
    for (index, axis) in dimensions.enumerated() {
      let dimension = try call.dimension(axis, rank: extents.count)
      let range = try range(
        dimension, extents[dimension], starts[index], ends[index], step: steps?[index] ?? 1)
      guard range.count > 0 || isList else {
        throw Diagnostic("nothing is left of dimension \(dimension)")
      }
      ranges.append(range)
    }
    if case .integers(let known) = call.input(0) { return [try picked(known, ranges)] }
    if case .slices = call.input(0), ranges.allSatisfy({ $0.dimension > 0 }) {
      return [try sliced(try Images(call), ranges).imported()]
    }
    return [.value(try sliced(try call.value(0), ranges, call))]
  }

  /// Limits count from the end where they are negative, and are clamped to the tensor.
  private static func range(
    _ dimension: Int, _ extent: Int, _ start: Int, _ end: Int, step: Int
  ) throws(Diagnostic) -> Range {
    let limit = extent + 1
    func place(_ index: Int) -> Int {
      let index = index.clamped(to: -limit...limit)
      return index < 0 ? index + extent : index
    }
    let step = step.clamped(to: -limit...limit)
    guard step != 0 else { throw Diagnostic("its step is 0") }
    guard extent > 0 else { return Range(dimension: dimension, start: 0, count: 0, step: 1) }
    let first = place(start).clamped(to: step > 0 ? 0...extent : 0...extent - 1)
    let last = place(end).clamped(to: step > 0 ? 0...extent : -1...extent - 1)
    let count = step > 0 ? (last - first + step - 1) / step : (first - last - step - 1) / -step
    return Range(dimension: dimension, start: first, count: max(0, count), step: step)
  }

  private static func sliced(
    _ x: ValueID, _ ranges: [Range], _ call: NodeCall
  ) throws(Diagnostic) -> ValueID {
    var result = x
    let reversed = ranges.filter { $0.step < 0 }.map(\.dimension)
    if !reversed.isEmpty { result = try call.apply(Reverse(dimensions: reversed), result) }
    let extents = call.shape(of: x).extents
    var part = Slice(start: extents.map { _ in 0 }, limit: extents)
    for range in ranges {
      let (dimension, step) = (range.dimension, abs(range.step))
      let start = range.step < 0 ? extents[dimension] - 1 - range.start : range.start
      part.start[dimension] = start
      part.limit[dimension] = start + (range.count - 1) * step + 1
      part.strides[dimension] = min(step, extents[dimension])
    }
    return try call.apply(part, result)
  }

  /// Of volumes, whose ranges count their dimensions.
  private static func sliced(_ volumes: Images, _ ranges: [Range]) throws(Diagnostic) -> Images {
    func moved(_ ranges: [Range], to dimension: (Int) -> Int) -> [Range] {
      ranges.map {
        var range = $0
        range.dimension = dimension($0.dimension)
        return range
      }
    }
    let (depth, plane) = (
      ranges.filter { $0.dimension == 2 }, ranges.filter { $0.dimension != 2 }
    )
    var result = volumes
    if !plane.isEmpty {
      let own = moved(plane) { max(1, $0 - 1) }
      result = result.with(try sliced(result.pixels, own, result.call))
    }
    guard !depth.isEmpty else { return result }
    return try result.alongDepth { (x, dimension) throws(Diagnostic) in
      try sliced(x, moved(depth) { _ in dimension }, volumes.call)
    }
  }

  private static func picked(
    _ known: KnownIntegers, _ ranges: [Range]
  ) throws(Diagnostic) -> ImportedValue {
    var all = known.extents.enumerated().map { Range(dimension: $0, start: 0, count: $1, step: 1) }
    for range in ranges { all[range.dimension] = range }
    return .integers(
      try known.picked(all.map(\.count)) { index in
        zip(all, index).map { $0.start + $1 * $0.step }
      })
  }

  /// Part of one dimension; the value itself where it is all of it.
  static func cut(
    _ x: ValueID, _ dimension: Int, _ range: Swift.Range<Int>, _ call: NodeCall
  ) throws(Diagnostic) -> ValueID {
    var limit = call.shape(of: x).extents
    guard range != 0..<limit[dimension] else { return x }
    var start = limit.map { _ in 0 }
    (start[dimension], limit[dimension]) = (range.lowerBound, range.upperBound)
    return try call.apply(Slice(start: start, limit: limit), x)
  }

  /// Places of one dimension in equal steps, forwards or back.
  static func steps(
    _ x: ValueID, _ dimension: Int, _ places: [Int], _ call: NodeCall
  ) throws(Diagnostic) -> ValueID {
    let step = places.count > 1 ? places[1] - places[0] : 1
    return try steps(x, dimension, from: places[0], count: places.count, step: step, call)
  }

  static func steps(
    _ x: ValueID, _ dimension: Int, from start: Int, count: Int, step: Int, _ call: NodeCall
  ) throws(Diagnostic) -> ValueID {
    if step == 1, count == call.shape(of: x)[dimension] { return x }
    let range = Range(dimension: dimension, start: start, count: count, step: step)
    return try sliced(x, [range], call)
  }

  /// Sizes are an attribute up to version 12, an input since 13; without them the parts are equal.
  static func split(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let extents = try call.extents(of: 0)
    let dimension = try call.dimension(try call.integer("axis", 0), rank: extents.count)
    let extent = extents[dimension]
    let listed = try call.operatorSet < 13 ? call.integers("split") : call.integers(1)
    let sizes = listed ?? equal(extent, call.node.output.count)
    guard sizes.allSatisfy({ $0 > 0 && $0 <= extent }), sizes.count <= extent,
      sizes.reduce(0, +) == extent
    else { throw Diagnostic("parts of \(sizes) are not all of the \(extent) it has") }
    var (start, parts): (Int, [ImportedValue]) = (0, [])
    for size in sizes {
      let range = start..<start + size
      if case .integers(let known) = call.input(0) {
        parts.append(.integers(try known.gathered(dimension, Array(range), [size])))
      } else {
        parts.append(.value(try cut(try call.value(0), dimension, range, call)))
      }
      start += size
    }
    return parts
  }

  /// Parts of one size; the last may be smaller.
  private static func equal(_ extent: Int, _ count: Int) -> [Int] {
    let size = (extent + count - 1) / max(count, 1)
    return (0..<count).map { min(size, extent - $0 * size) }
  }
}
