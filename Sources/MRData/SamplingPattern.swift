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
  /// All that the scan holds, and the pattern that it was measured with is told.
  case detect
  /// Every `every`th line from line `offset` on, and the `centre` central ones.
  case regular(every: Int, centre: Int, offset: Int)
  /// As `regular`, with an offset that is the frame's number modulo `every`: k-t interleaved.
  case interleaved(every: Int, centre: Int)
  /// The `centre` central lines, and others at random, so that one line in `acceleration` is kept in all.
  case random(acceleration: Int, centre: Int, seed: UInt64)
  /// As `random`, with lines the likelier the closer they are to the centre.
  case density(acceleration: Int, centre: Int, seed: UInt64)
  /// Points at random that keep a distance from each other which grows from the centre outwards; a square of `centre`
  /// points in the middle is kept whole, and one point in `acceleration` in all.
  case poisson(acceleration: Int, centre: Int, seed: UInt64)
  /// A mask from an .npy file: one value a line, or one a point; 0 leaves out, 1 keeps.
  case file(String)

  /// What `init(parsing:)` reads.
  public static let help =
    "regular:EVERY:CENTRE[:OFFSET], kt:EVERY:CENTRE, random:R:CENTRE[:SEED], density:R:CENTRE[:SEED], "
    + "poisson:R:CENTRE[:SEED], none, detect, or an .npy with 0 and 1 per line or point"

  /// Reads `none`, `detect`, a pattern such as `regular:4:22` or `poisson:4:22:7`, or the name of an .npy file.
  public init(parsing text: String) throws(Diagnostic) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    let numbers = parts.dropFirst().compactMap { Int($0) }
    let isWhole = numbers.count == parts.count - 1 && numbers.allSatisfy { $0 >= 0 }
    let (first, centre) = (numbers.first ?? 0, numbers.dropFirst().first ?? 0)
    let isPattern = isWhole && (2...3).contains(numbers.count) && first >= 1
    let third = numbers.count == 3 ? numbers[2] : 0
    let seed = UInt64(max(0, third))
    switch parts[0] {
    case "none" where parts.count == 1: self = .none
    case "detect" where parts.count == 1: self = .detect
    case "regular" where isPattern && third < first:
      self = .regular(every: first, centre: centre, offset: third)
    case "kt" where isPattern && numbers.count == 2:
      self = .interleaved(every: first, centre: centre)
    case "random" where isPattern:
      self = .random(acceleration: first, centre: centre, seed: seed)
    case "density" where isPattern:
      self = .density(acceleration: first, centre: centre, seed: seed)
    case "poisson" where isPattern:
      self = .poisson(acceleration: first, centre: centre, seed: seed)
    case "regular", "kt", "random", "density", "poisson":
      throw Diagnostic(
        "'\(text)' is not a sampling pattern",
        help: "write \(Self.help), such as regular:4:22, with OFFSET below EVERY")
    default: self = .file(text)
    }
  }

  /// Whether every frame has the same mask, whatever is measured.
  var isTheSameForAllFrames: Bool {
    if case .interleaved = self { return false }
    return true
  }

  /// The mask for a frame of k-space of this size; throws where it does not fit or keeps nothing.
  public func mask(
    rows: Int, columns: Int, axis: PhaseAxis, frame: Int = 0
  ) throws(Diagnostic) -> SamplingMask {
    let count = axis == .rows ? rows : columns
    let lines: [Bool]
    switch self {
    case .none, .detect:
      return try SamplingMask(
        lines: [Bool](repeating: true, count: count), rows: rows, columns: columns, axis: axis)
    case .file(let path):
      return try SamplingMask.reading(path, rows: rows, columns: columns, axis: axis)
    case .poisson(let acceleration, let centre, let seed):
      let disc = try PoissonDisc(
        rows: rows, columns: columns, acceleration: acceleration, centre: centre, seed: seed)
      return SamplingMask(
        points: disc.isKept, rows: rows, columns: columns, axis: axis,
        nominalAcceleration: Double(acceleration))
    case .regular(let every, let centre, let offset):
      lines = try Self.regular(count, every: every, centre: centre, offset: offset)
    case .interleaved(let every, let centre):
      lines = try Self.regular(count, every: every, centre: centre, offset: frame % every)
    case .random(let acceleration, let centre, let seed):
      lines = try Self.random(count, acceleration, centre, seed) { _ in 1 }
    case .density(let acceleration, let centre, let seed):
      // The polynomial density of Lustig, Donoho and Pauly 2007 (Magn Reson Med 58:1182), of the third degree.
      lines = try Self.random(count, acceleration, centre, seed) { distance in
        (1 - distance) * (1 - distance) * (1 - distance)
      }
    }
    return try SamplingMask(
      lines: lines, rows: rows, columns: columns, axis: axis,
      nominalAcceleration: nominalAcceleration)
  }

  var nominalAcceleration: Double? {
    switch self {
    case .none, .detect, .file: return nil
    case .regular(let every, _, _), .interleaved(let every, _): return Double(every)
    case .random(let acceleration, _, _), .density(let acceleration, _, _),
      .poisson(let acceleration, _, _):
      return Double(acceleration)
    }
  }

  /// The central lines; for even counts the zero frequency n/2 is the first of the upper half.
  static func central(_ centre: Int, of count: Int) -> Range<Int> {
    let start = count / 2 - centre / 2
    return start..<start + centre
  }

  private static func regular(
    _ count: Int, every: Int, centre: Int, offset: Int
  ) throws(Diagnostic) -> [Bool] {
    guard centre <= count, offset < count else {
      throw Diagnostic(
        "\(centre) central lines from offset \(offset) do not fit the \(count) lines of the scan",
        help: "ask for fewer central lines, or another axis")
    }
    let central = central(centre, of: count)
    return (0..<count).map { $0 % every == offset || central.contains($0) }
  }

  /// Lines drawn without replacement by their weights: those with the greatest u^(1/weight) (Efraimidis and Spirakis
  /// 2006); `weight` is told the distance from the centre, 0...1.
  private static func random(
    _ count: Int, _ acceleration: Int, _ centre: Int, _ seed: UInt64, weight: (Double) -> Double
  ) throws(Diagnostic) -> [Bool] {
    let kept = count / acceleration
    guard centre <= kept else {
      throw Diagnostic(
        "\(centre) central lines are more than the \(kept) of \(count) that acceleration "
          + "\(acceleration) keeps", help: "ask for fewer central lines or a lower acceleration")
    }
    let central = central(centre, of: count)
    var generator = SplitMix64(seed: seed)
    let keys = (0..<count).map { (line: Int) -> (key: Double, line: Int) in
      let draw = Double(generator.next() >> 11 | 1) * 0x1p-53
      let distance = abs(Double(line - count / 2)) / Double(count / 2 + 1)
      return (Double.log(draw) / max(weight(distance), 1e-9), line)
    }
    let others = keys.filter { !central.contains($0.line) }.sorted {
      ($0.key, $0.line) > ($1.key, $1.line)
    }
    let chosen = Set(others.prefix(kept - centre).map(\.line))
    return (0..<count).map { central.contains($0) || chosen.contains($0) }
  }
}
