import ComplexModule
import Diagnostics
import RealModule
import Tensors

/// Which axis is the phase-encoding one, whose lines are left out.
public enum PhaseAxis: String, Sendable, Hashable, CaseIterable {
  case rows, columns
}

/// How k-space is under-sampled, before the size of the scan is known.
public enum SamplingPattern: Sendable, Hashable {
  /// All that the scan holds.
  case none
  /// Every `every`th line from line `offset` on, and the `centre` central ones.
  case regular(every: Int, centre: Int, offset: Int)
  /// A mask from an .npy file: one value a line, or one a point; 0 leaves out, 1 keeps.
  case file(String)

  /// Reads `none`, `regular:4:22`, `regular:4:22:OFFSET`, or the name of an .npy file.
  public init(parsing text: String) throws(Diagnostic) {
    if text == "none" {
      self = .none
      return
    }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.first == "regular" else {
      self = .file(text)
      return
    }
    let numbers = parts.dropFirst().compactMap { Int($0) }
    guard numbers.count == parts.count - 1, (2...3).contains(numbers.count), numbers[0] >= 1,
      numbers[1] >= 0, numbers.count == 2 || (0..<numbers[0]).contains(numbers[2])
    else {
      throw Diagnostic(
        "'\(text)' is not a sampling pattern",
        help: "write regular:EVERY:CENTRE or regular:EVERY:CENTRE:OFFSET, such as regular:4:22, "
          + "with OFFSET below EVERY")
    }
    self = .regular(
      every: numbers[0], centre: numbers[1], offset: numbers.count == 3 ? numbers[2] : 0)
  }

  /// The mask for k-space of this size; throws where it does not fit or keeps nothing.
  public func mask(
    rows: Int, columns: Int, axis: PhaseAxis
  ) throws(Diagnostic) -> SamplingMask {
    let lines = axis == .rows ? rows : columns
    switch self {
    case .none:
      return try SamplingMask(
        lines: [Bool](repeating: true, count: lines), rows: rows, columns: columns, axis: axis)
    case .regular(let every, let centre, let offset):
      guard centre <= lines, offset < lines else {
        throw Diagnostic(
          "\(centre) central lines from offset \(offset) do not fit the \(lines) lines of the scan",
          help: "ask for fewer central lines, or another axis")
      }
      // For even counts the zero frequency n/2 is the first of the upper half.
      let start = lines / 2 - centre / 2
      let kept = (0..<lines).map { line in
        line % every == offset || (line >= start && line < start + centre)
      }
      return try SamplingMask(
        lines: kept, rows: rows, columns: columns, axis: axis, nominalAcceleration: Double(every))
    case .file(let path):
      return try SamplingMask.reading(path, rows: rows, columns: columns, axis: axis)
    }
  }
}

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
  public var trueAcceleration: Double {
    Double(isKept.count) / Double(isKept.reduce(0) { $0 + ($1 ? 1 : 0) })
  }

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

  private init(points: [Bool], rows: Int, columns: Int, axis: PhaseAxis) {
    self.rows = rows
    self.columns = columns
    self.axis = axis
    nominalAcceleration = nil
    keptLines = nil
    isKept = points
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
