import Diagnostics
import Foundation

extension ReadingAnalysis {
  /// Tables and figures of the reading (Fig 5 of Ghodrati 2019).
  public func report(title: String, alpha: Double) throws(Diagnostic) -> Report {
    var report = Report(title: title)
    report.add(text: summary(alpha: alpha))
    report.add(rankTable, name: "ranks")
    report.add(
      try RankFigures.histogram(names: techniques, counts: histogram), name: "histogram",
      caption: "How often each technique got each rank.")
    report.add(pairTable(alpha: alpha), name: "pairs")
    report.add(
      try RankFigures.pairMatrix(names: techniques, test: friedman, alpha: alpha),
      name: "pair-matrix", caption: "Probabilities of the pairwise comparisons.")
    report.add(
      try RankFigures.pairGraph(names: techniques, test: friedman, alpha: alpha),
      name: "pair-graph", caption: "Pairs of techniques that differ.")
    return report
  }

  private func summary(alpha: Double) -> String {
    let differ = friedman.p < alpha ? "differ" : "do not differ significantly"
    var text = "Friedman's test over \(friedman.blocks) readings: the techniques \(differ) "
    text += "(chi-squared \(TableText.number(friedman.chiSquared, 3)), "
    text +=
      "\(friedman.degreesOfFreedom) degrees of freedom, p \(TableText.probability(friedman.p))). "
    text += "Kendall's W of all readings is \(TableText.number(friedman.kendallW, 3))."
    if let agreement {
      text += " Within the \(agreement.cases) cases that all \(agreement.readers) readers ranked, "
      text += "the readers' mean W is \(TableText.number(agreement.kendallW, 3))."
    }
    return text
  }

  private var rankTable: ReportTable {
    let ranks = (1...techniques.count).map { "rank \($0)" }
    var table = ReportTable(
      caption: "Ranks (1 is best)", header: ["technique", "mean rank"] + ranks)
    let order = techniques.indices.sorted {
      (friedman.meanRanks[$0], $0) < (friedman.meanRanks[$1], $1)
    }
    for place in order {
      table.add(
        [techniques[place], TableText.number(friedman.meanRanks[place], 3)]
          + histogram[place].map(String.init))
    }
    return table
  }

  private func pairTable(alpha: Double) -> ReportTable {
    var table = ReportTable(
      caption: "Pairwise comparisons after Dunn; bold: p < \(alpha) after Bonferroni",
      header: ["pair", "z", "p", "p (Bonferroni)"])
    for pair in friedman.pairs {
      table.add(
        [
          "\(techniques[pair.first]) - \(techniques[pair.second])", TableText.number(pair.z, 3),
          TableText.probability(pair.p), TableText.probability(pair.pBonferroni),
        ], isBold: pair.pBonferroni < alpha)
    }
    return table
  }
}
