import Diagnostics

/// A network that takes these lines of its images' k-space as measured.
public protocol LineSampledNetwork: Network {
  var mask: LineMask { get }
}

/// Which lines of k-space are measured: every so many, and the central ones; the `regular` pattern of `recon --mask`.
public struct LineMask: Hashable, Sendable {
  /// Across which dimension of the images the lines are counted: the phase-encoding axis.
  public enum Axis: String, Hashable, Sendable, CaseIterable {
    case rows, columns
  }

  public let every: Int
  public let centre: Int
  /// The first line; below `every`.
  public let offset: Int
  public let axis: Axis

  /// Reads `regular:EVERY:CENTRE[:OFFSET]`.
  public init(parsing text: String, axis: Axis = .columns) throws(Diagnostic) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    let numbers = parts.dropFirst().compactMap { Int($0) }
    guard parts[0] == "regular", numbers.count == parts.count - 1, (2...3).contains(numbers.count),
      (1...1024).contains(numbers[0]), (0...1024).contains(numbers[1]),
      numbers.count == 2 || (0..<numbers[0]).contains(numbers[2])
    else {
      throw Diagnostic(
        "'\(text)' is not a mask of lines",
        help:
          "write regular:EVERY:CENTRE[:OFFSET], such as regular:4:22, with OFFSET below EVERY and none above 1024"
      )
    }
    (every, centre) = (numbers[0], numbers[1])
    offset = numbers.count == 3 ? numbers[2] : 0
    self.axis = axis
  }

  /// What `init(parsing:)` reads, in one way for each mask.
  public var text: String { "regular:\(every):\(centre)" + (offset > 0 ? ":\(offset)" : "") }

  /// Images' dimension that the lines are counted along: 2 or 3.
  var dimension: Int { axis == .rows ? 2 : 3 }

  /// Throws where so many lines hold neither the central ones nor the first.
  func check(lines: Int) throws(Diagnostic) {
    guard centre <= lines, offset < lines else {
      throw Diagnostic(
        "the mask \(text) does not fit images of \(lines) \(axis.rawValue)",
        help: "ask for fewer central lines, a smaller offset, or another axis")
    }
  }

  /// The first central line; the zero frequency n / 2 of an even n is the first of the upper half.
  func firstCentral(of lines: Int) -> Int { lines / 2 - centre / 2 }
}
