import ComplexModule
import Diagnostics
import RealModule
import Tensors

/// Which points of a k-space of a given size are kept.
public struct SamplingMask: Sendable, Equatable {
  public let rows: Int
  public let columns: Int
  public let axis: PhaseAxis
  /// The kept lines along `axis`, in order; nil where the mask is not made of whole lines.
  public let keptLines: [Int]?
  /// The acceleration asked for, without the central lines; nil where the mask does not say.
  public let nominalAcceleration: Double?
  /// Row-major, one for each point.
  public let isKept: [Bool]

  /// All points over kept points.
  public var trueAcceleration: Double { Double(isKept.count) / Double(keptCount) }

  /// The number of points kept.
  public var keptCount: Int { isKept.count { $0 } }

  /// Whether anything is left out.
  public var isUndersampling: Bool { isKept.contains(false) }

  init(
    lines: [Bool], rows: Int, columns: Int, axis: PhaseAxis, nominalAcceleration: Double? = nil
  ) throws(Diagnostic) {
    guard lines.contains(true) else {
      throw Diagnostic("the sampling mask keeps no line", help: "keep at least one")
    }
    self.rows = rows
    self.columns = columns
    self.axis = axis
    self.nominalAcceleration = nominalAcceleration
    keptLines = lines.indices.filter { lines[$0] }
    isKept = (0..<rows * columns).map { lines[axis == .rows ? $0 / columns : $0 % columns] }
  }

  init(
    points: [Bool], rows: Int, columns: Int, axis: PhaseAxis, nominalAcceleration: Double? = nil
  ) {
    self.rows = rows
    self.columns = columns
    self.axis = axis
    self.nominalAcceleration = nominalAcceleration
    keptLines = nil
    isKept = points
  }

  /// The points kept that are also in `measured`.
  func intersected(with measured: SamplingMask) throws(Diagnostic) -> SamplingMask {
    let both = zip(isKept, measured.isKept).map { $0 && $1 }
    guard both.contains(true) else {
      throw Diagnostic(
        "the scan was under-sampled when it was measured, and the sampling mask keeps none of it",
        help: "use --mask detect")
    }
    guard let lines = keptLines, let others = measured.keptLines, axis == measured.axis else {
      return SamplingMask(
        points: both, rows: rows, columns: columns, axis: axis,
        nominalAcceleration: nominalAcceleration ?? measured.nominalAcceleration)
    }
    let common = Set(lines).intersection(others)
    return try SamplingMask(
      lines: (0..<(axis == .rows ? rows : columns)).map { common.contains($0) }, rows: rows,
      columns: columns, axis: axis,
      nominalAcceleration: nominalAcceleration ?? measured.nominalAcceleration)
  }

  /// A mask from an .npy file: [lines] or [rows, columns] of zeros and ones.
  static func reading(
    _ path: String, rows: Int, columns: Int, axis: PhaseAxis
  ) throws(Diagnostic) -> SamplingMask {
    let place = SourceLocation(file: path)
    let values: Tensor<Double>
    do { values = try NpyFile.read(path).doubles() } catch { throw error.located(at: place) }
    if let odd = values.values.first(where: { $0 != 0 && $0 != 1 }) {
      throw Diagnostic(
        "the sampling mask holds \(odd)", at: place, help: "use 0 for left out and 1 for kept")
    }
    guard values.values.contains(1) else {
      throw Diagnostic("the sampling mask keeps nothing", at: place, help: "keep at least one line")
    }
    let kept = values.values.map { $0 == 1 }
    let lines = axis == .rows ? rows : columns
    switch values.shape.extents {
    case [lines]:
      return try SamplingMask(lines: kept, rows: rows, columns: columns, axis: axis)
    case [rows, columns]:
      return SamplingMask(points: kept, rows: rows, columns: columns, axis: axis)
    default:
      throw Diagnostic(
        "the sampling mask is \(values.shape), but the k-space has \(rows) rows and "
          + "\(columns) columns", at: place, help: "make it [\(lines)] or [\(rows), \(columns)]")
    }
  }

  /// Sets the points that are left out to zero; `kSpace` is [.., rows, columns] of the mask's size.
  public func apply(
    to kSpace: Tensor<Complex<Double>>
  ) throws(Diagnostic) -> Tensor<Complex<Double>> {
    guard kSpace.shape.extents.suffix(2) == [rows, columns] else {
      throw Diagnostic("a sampling mask of [\(rows), \(columns)] does not fit \(kSpace.shape)")
    }
    var result = kSpace
    for index in result.values.indices where !isKept[index % isKept.count] {
      result.values[index] = .zero
    }
    return result
  }
}
