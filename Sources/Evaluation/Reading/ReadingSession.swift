import Diagnostics
import Foundation
import Tensors

/// Cases of images by several techniques, to be ranked by readers who do not know which is which.
public struct ReadingSession: Sendable {
  /// One case: an image series for each technique, in the techniques' order.
  public struct Case: Sendable {
    public let name: String
    public let series: [ImageStack]

    /// Throws where the series differ in shape or have several channels.
    public init(name: String, series: [ImageStack]) throws(Diagnostic) {
      let shapes = Set(series.map(\.description))
      guard shapes.count <= 1, series.allSatisfy({ $0.channels == 1 }) else {
        throw Diagnostic(
          "the images of case '\(name)' differ in shape: \(shapes.sorted().joined(separator: "; "))",
          help: "all techniques need the same frames, rows and columns, one channel")
      }
      (self.name, self.series) = (name, series)
    }
  }

  /// As many as there are letters that tell them apart.
  public static let largestTechniqueCount = 8

  public let techniques: [String]
  public let cases: [Case]
  public let key: ReadingKey
  public let style: ReadingStyle

  /// Draws the order of cases and of techniques for each of the readers; the same seed draws the same for the same
  /// names and images alone, so that no key fits the pages of another session.
  ///
  /// Throws without two techniques or a case, or where names repeat.
  public init(
    techniques: [String], cases: [Case], readers: Int, seed: UInt64, style: ReadingStyle
  ) throws(Diagnostic) {
    guard (2...Self.largestTechniqueCount).contains(techniques.count),
      Set(techniques).count == techniques.count, !techniques.contains("")
    else {
      throw Diagnostic(
        "a reading needs 2 to \(Self.largestTechniqueCount) techniques of different names")
    }
    guard !cases.isEmpty, Set(cases.map(\.name)).count == cases.count else {
      throw Diagnostic("a reading needs cases of different names")
    }
    var random = SplitMix64(seed: Self.mixed(seed, techniques, cases))
    var codes: Set<String> = []
    let orders = (1...max(1, readers)).map { number in
      let drawn = random.shuffled(cases).map { item in
        ReadingKey.Case(
          code: random.code(notIn: &codes), name: item.name, order: random.shuffled(techniques))
      }
      return ReadingKey.Reader(name: "reader-\(number)", cases: drawn)
    }
    (self.techniques, self.cases, self.style) = (techniques, cases, style)
    key = ReadingKey(seed: seed, techniques: techniques, readers: orders)
  }

  private static func mixed(_ seed: UInt64, _ techniques: [String], _ cases: [Case]) -> UInt64 {
    var state = seed
    func add(_ word: UInt64) {
      var mixer = SplitMix64(seed: state ^ word)
      state = mixer.next()
    }
    for name in techniques + cases.map(\.name) {
      for byte in name.utf8 { add(UInt64(byte)) }
      add(.max)
    }
    for images in cases.flatMap(\.series) {
      for frame in 0..<images.frames {
        for value in images.frame(frame) { add(value.bitPattern) }
      }
    }
    return state
  }
}

extension SplitMix64 {
  /// Fisher and Yates' shuffle, which the standard library does not promise to keep.
  mutating func shuffled<Element>(_ items: [Element]) -> [Element] {
    var items = items
    for last in stride(from: items.count - 1, to: 0, by: -1) {
      items.swapAt(last, Int(next() % UInt64(last + 1)))
    }
    return items
  }

  /// Six letters and digits that are not mistaken for each other.
  mutating func code(notIn used: inout Set<String>) -> String {
    let letters = Array("23456789ABCDEFGHJKLMNPQRSTUVWXYZ")
    while true {
      let code = String((0..<6).map { _ in letters[Int(next() >> 59)] })
      if used.insert(code).inserted { return code }
    }
  }
}
