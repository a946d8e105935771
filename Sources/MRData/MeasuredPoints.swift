import ComplexModule
import Diagnostics
import RealModule
import Tensors

/// The pattern that a scan was measured with, told from which points of its k-space are zero.
public struct SamplingReport: Sendable, Hashable {
  public enum Kind: String, Sendable, Hashable {
    case full
    /// Every so many lines, with or without further ones in the centre.
    case regular
    /// Whole lines without a rule.
    case lines
    case points
  }

  public let kind: Kind
  public let axis: PhaseAxis
  /// The line that the regular pattern starts with.
  public let offset: Int?
  /// The lines about the centre that are there without a gap.
  public let centralLines: Int?
}

/// Which points of one frame were measured: those that are not zero in every coil.
struct MeasuredPoints {
  private let rows: Int
  private let columns: Int
  private let isMeasured: [Bool]

  init(_ kSpace: KSpace, frame: Int) {
    (rows, columns) = (kSpace.rows, kSpace.columns)
    let plane = rows * columns
    var measured = [Bool](repeating: false, count: plane)
    let start = frame * kSpace.coils * plane
    for coil in 0..<kSpace.coils {
      for index in 0..<plane where kSpace.values.values[start + coil * plane + index] != .zero {
        measured[index] = true
      }
    }
    isMeasured = measured
  }

  /// Inside the box that holds all measured points, no line is left out, and at most a quarter of the points is exactly
  /// zero: cut corners. Borders may be zero.
  var isFull: Bool {
    guard let box else { return false }
    let measured = isMeasured.count { $0 }
    return box.isWhole && 4 * measured >= 3 * box.rows.count * box.columns.count
  }

  /// Whether as much of the borders is zero on both sides, as padding leaves it, and not partial sampling.
  private var isCentred: Bool {
    guard let box else { return false }
    return [(box.rows, rows), (box.columns, columns)].allSatisfy { range, count in
      abs(range.lowerBound - (count - 1 - range.upperBound)) <= 1
    }
  }

  /// What holds all measured points, and whether each of its lines has some.
  private var box: (rows: ClosedRange<Int>, columns: ClosedRange<Int>, isWhole: Bool)? {
    let rowSet = (0..<rows).filter { row in
      isMeasured[row * columns..<(row + 1) * columns].contains(true)
    }
    let columnSet = (0..<columns).filter { column in
      (0..<rows).contains { isMeasured[$0 * columns + column] }
    }
    guard let top = rowSet.first, let bottom = rowSet.last, let left = columnSet.first,
      let right = columnSet.last
    else { return nil }
    let isWhole =
      rowSet.count == bottom - top + 1 && columnSet.count == right - left + 1
    return (top...bottom, left...right, isWhole)
  }

  /// The mask of what was measured, along `axis` where it is made of lines along either; throws where nothing was.
  func mask(axis preferred: PhaseAxis) throws(Diagnostic) -> (SamplingMask, SamplingReport) {
    guard !(isFull && isCentred) else { return try full(preferred) }
    for axis in [preferred, preferred == .rows ? .columns : .rows] {
      if let lines = lines(along: axis) { return try described(lines, axis) }
    }
    guard isMeasured.contains(true) else {
      throw Diagnostic("a frame of the scan is all zero", help: "check how it was exported")
    }
    let mask = SamplingMask(points: isMeasured, rows: rows, columns: columns, axis: preferred)
    return (
      mask, SamplingReport(kind: .points, axis: preferred, offset: nil, centralLines: nil)
    )
  }

  private func full(_ axis: PhaseAxis) throws(Diagnostic) -> (SamplingMask, SamplingReport) {
    let mask = try SamplingPattern.none.mask(rows: rows, columns: columns, axis: axis)
    return (mask, SamplingReport(kind: .full, axis: axis, offset: nil, centralLines: nil))
  }

  /// Which lines are there, where each has a measured point at (nearly) every place that any of them has one; nil
  /// where that is not so, or all lines are there.
  private func lines(along axis: PhaseAxis) -> [Bool]? {
    let (count, length) = axis == .rows ? (rows, columns) : (columns, rows)
    func isAt(_ line: Int, _ place: Int) -> Bool {
      isMeasured[axis == .rows ? line * columns + place : place * columns + line]
    }
    let counts = (0..<count).map { line in (0..<length).count { isAt(line, $0) } }
    let longest = counts.max() ?? 0
    guard longest > 0, counts.contains(0),
      counts.allSatisfy({ $0 == 0 || 10 * $0 >= 9 * longest })
    else { return nil }
    return counts.map { $0 > 0 }
  }

  private func described(
    _ lines: [Bool], _ axis: PhaseAxis
  ) throws(Diagnostic) -> (SamplingMask, SamplingReport) {
    let kept = lines.indices.filter { lines[$0] }
    let middle = lines.count / 2
    let low = lines[...middle].lastIndex(of: false).map { $0 + 1 } ?? 0
    let high = lines[middle...].firstIndex(of: false) ?? lines.count
    let central = lines[middle] ? low..<high : middle..<middle
    let every = Self.spacing(kept, without: central.count > 2 ? central : middle..<middle)
    let mask = try SamplingMask(
      lines: lines, rows: rows, columns: columns, axis: axis,
      nominalAcceleration: every.map { Double($0) })
    let report = SamplingReport(
      kind: every == nil ? .lines : .regular, axis: axis,
      offset: every.flatMap { every in kept.first.map { $0 % every } },
      centralLines: central.count)
    return (mask, report)
  }

  /// The distance between lines outside the central ones, where it is one and the central ones fit into it; else nil.
  private static func spacing(_ kept: [Int], without central: Range<Int>) -> Int? {
    let outer = kept.filter { !central.contains($0) }
    let gaps = Set(zip(outer, outer.dropFirst()).map { $1 - $0 })
    guard let every = gaps.min(), every > 1, outer.count > 2 else { return nil }
    let offset = outer[0] % every
    let isRegular = outer.allSatisfy { $0 % every == offset }
    let keptSet = Set(kept)
    let isWhole = stride(from: outer[0], through: outer[outer.count - 1], by: every)
      .allSatisfy { keptSet.contains($0) }
    return isRegular && isWhole ? every : nil
  }
}

extension Scan {
  /// The points of a frame that were measured, and their pattern along `axis` where that is possible; all of magnitude
  /// images. Throws where a frame is all zero.
  public func measuredMask(
    frame: Int, axis: PhaseAxis = .columns
  ) throws(Diagnostic) -> (mask: SamplingMask, report: SamplingReport) {
    guard case .kSpace(let kSpace) = content else {
      let mask = try SamplingPattern.none.mask(rows: rows, columns: columns, axis: axis)
      return (mask, SamplingReport(kind: .full, axis: axis, offset: nil, centralLines: nil))
    }
    return try MeasuredPoints(kSpace, frame: frame).mask(axis: axis)
  }

  /// Whether the scan itself can be the reference, by its first frame.
  public var isFullySampled: Bool {
    guard case .kSpace(let kSpace) = content else { return true }
    return MeasuredPoints(kSpace, frame: 0).isFull
  }
}
