import Diagnostics

/// What a reading says: Friedman's test over all blocks, counts of ranks, agreement of readers.
public struct ReadingAnalysis: Sendable {
  /// How far readers agree on the same cases.
  public struct Agreement: Sendable, Equatable, Encodable {
    public let readers: Int
    /// Cases that all readers ranked.
    public let cases: Int
    /// Kendall's coefficient of concordance of the readers within a case, the mean over the cases.
    public let kendallW: Double

    enum CodingKeys: String, CodingKey {
      case readers, cases
      case kendallW = "kendall_w"
    }
  }

  public let techniques: [String]
  public let friedman: Friedman
  /// [technique][rank - 1]: how often; a shared rank counts as the whole rank below it.
  public let histogram: [[Int]]
  /// Nil with one reader, or where readers have no case in common.
  public let agreement: Agreement?

  /// Throws where Friedman's test is not possible.
  public init(_ readings: Readings) throws(Diagnostic) {
    techniques = readings.techniques
    friedman = try Friedman(readings.blocks.map(\.ranks))
    let none = [Int](repeating: 0, count: readings.techniques.count)
    var counts = [[Int]](repeating: none, count: readings.techniques.count)
    for block in readings.blocks {
      for (technique, rank) in block.ranks.enumerated() { counts[technique][Int(rank) - 1] += 1 }
    }
    histogram = counts
    agreement = Self.agreement(readings)
  }

  private static func agreement(_ readings: Readings) -> Agreement? {
    let readers = Set(readings.blocks.map(\.reader)).count
    guard readers > 1 else { return nil }
    let cases = Dictionary(grouping: readings.blocks, by: \.caseName)
    var sum = 0.0
    var count = 0
    for name in cases.keys.sorted() {
      guard let blocks = cases[name], blocks.count == readers,
        let test = try? Friedman(blocks.map(\.ranks))
      else { continue }
      sum += test.kendallW
      count += 1
    }
    guard count > 0 else { return nil }
    return Agreement(readers: readers, cases: count, kendallW: sum / Double(count))
  }
}
