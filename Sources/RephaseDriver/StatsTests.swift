import ArgumentParser
import Diagnostics
import Evaluation

/// Friedman's test with the techniques' names; the keys of `stats friedman` and `rank analyse`.
struct FriedmanReport: Encodable {
  struct Test: Encodable {
    var chiSquared: Double
    var p: Double
    var kendallW: Double

    enum CodingKeys: String, CodingKey {
      case p
      case chiSquared = "chi2"
      case kendallW = "kendall_w"
    }
  }

  struct Pair: Encodable {
    var a: String
    var b: String
    var z: Double
    var p: Double
    var pBonferroni: Double

    enum CodingKeys: String, CodingKey {
      case a, b, z, p
      case pBonferroni = "p_bonferroni"
    }
  }

  var friedman: Test
  var pairs: [Pair]
  var meanRanks: [String: Double]

  enum CodingKeys: String, CodingKey {
    case friedman, pairs
    case meanRanks = "mean_ranks"
  }

  init(_ test: Friedman, names: [String]) {
    friedman = Test(chiSquared: test.chiSquared, p: test.p, kendallW: test.kendallW)
    pairs = test.pairs.map {
      Pair(
        a: names[$0.first], b: names[$0.second], z: $0.z, p: $0.p, pBonferroni: $0.pBonferroni)
    }
    meanRanks = Dictionary(uniqueKeysWithValues: zip(names, test.meanRanks))
  }
}

extension Friedman {
  /// The test and its pairs for people.
  func summary(names: [String]) -> String {
    let test = [
      "chi2 \(TableText.number(chiSquared, 3)) with \(degreesOfFreedom) degrees of freedom",
      "p \(TableText.probability(p))", "Kendall's W \(TableText.number(kendallW, 3))",
      "\(blocks) blocks",
    ].joined(separator: ", ")
    var ranks = TextTable(header: ["technique", "mean rank"])
    for (name, rank) in zip(names, meanRanks) { ranks.add([name, TableText.number(rank, 3)]) }
    var table = TextTable(header: ["pair", "z", "p", "p (Bonferroni)"])
    for pair in pairs {
      table.add([
        "\(names[pair.first]) - \(names[pair.second])", TableText.number(pair.z, 3),
        TableText.probability(pair.p), TableText.probability(pair.pBonferroni),
      ])
    }
    return "Friedman: \(test)\n\n\(ranks)\n\n\(table)"
  }
}

struct FriedmanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "friedman",
    abstract: "Friedman's test of several techniques on the same blocks, and their pairs.",
    discussion: "Ties are corrected for; pairs are compared after Dunn, raw and after Bonferroni.")

  @OptionGroup var data: RelatedSamples

  @Flag(help: "As JSON.")
  var json = false

  func run() throws {
    let (names, samples) = try data.read()
    let blocks = samples[0].indices.map { block in samples.map { $0[block] } }
    let test = try data.locating { () throws(Diagnostic) in try Friedman(blocks) }
    if json { return try Console.json(FriedmanReport(test, names: names)) }
    print(test.summary(names: names))
  }
}

struct PairedCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "paired",
    abstract: "Wilcoxon's signed-rank test of each pair of techniques, two-sided.",
    discussion: "p is exact up to 50 pairs that differ; Bonferroni counts all pairs of techniques.")

  @OptionGroup var data: RelatedSamples

  @Flag(help: "As JSON.")
  var json = false

  private struct Report: Encodable {
    var pairs: [PairedComparison]
  }

  func run() throws {
    let (names, samples) = try data.read()
    let pairs = try data.locating { () throws(Diagnostic) in
      try PairedComparison.all(names: names, samples: samples)
    }
    if json { return try Console.json(Report(pairs: pairs)) }
    var table = TextTable(
      header: ["pair", "median difference", "W", "p", "p (Bonferroni)"])
    for pair in pairs {
      table.add([
        "\(pair.a) - \(pair.b)", TableText.number(pair.medianDifference, 4),
        TableText.number(pair.statistic, 1), TableText.probability(pair.p),
        TableText.probability(pair.pBonferroni),
      ])
    }
    print(table)
  }
}
