import Diagnostics

/// Techniques that were all applied to the same images, with their measures.
public struct Study: Sendable {
  public struct Technique: Sendable {
    public var name: String
    /// Empty where there is none, as for zero-filling; likewise the loss.
    public var network: String
    public var loss: String
    public var scores: Scores

    public init(name: String, network: String, loss: String, scores: Scores) {
      (self.name, self.network, self.loss, self.scores) = (name, network, loss, scores)
    }
  }

  /// A measure that tables and figures show.
  public struct Measure: Sendable {
    public let name: String
    /// Of files and JSON.
    public let key: String
    public let digits: Int
    public let isLowBest: Bool
    /// One value an image.
    public let values: @Sendable (Scores) -> [Double]
  }

  public static let measures = [
    Measure(name: "SNR (dB)", key: "snr_db", digits: 2, isLowBest: false) { $0.snr },
    Measure(name: "SSIM", key: "ssim", digits: 4, isLowBest: false) { $0.ssim },
    Measure(name: "PSNR (dB)", key: "psnr_db", digits: 2, isLowBest: false) { $0.psnr },
    Measure(name: "NMSE", key: "nmse", digits: 5, isLowBest: true) { $0.nmse },
  ]
  /// Those that the paper tests (its Tables 2 to 4).
  static let tested = Array(measures.prefix(2))

  public let techniques: [Technique]

  /// Throws with no technique, where names repeat, or where techniques have different numbers of images.
  public init(_ techniques: [Technique]) throws(Diagnostic) {
    guard let first = techniques.first,
      techniques.allSatisfy({ $0.scores.snr.count == first.scores.snr.count })
    else { throw Diagnostic("a study needs techniques that were applied to the same images") }
    guard Set(techniques.map(\.name)).count == techniques.count else {
      throw Diagnostic(
        "two techniques of the study have the same name",
        help: "rename one of their folders or files")
    }
    self.techniques = techniques
  }

  public var imageCount: Int { techniques[0].scores.snr.count }

  /// Quartiles of a measure for each network and loss (Table 4).
  public func quartiles(_ measure: Measure) -> ReportTable {
    var table = ReportTable(
      caption: "\(measure.name): quartiles over \(imageCount) images; bold: the best median",
      header: ["technique", "network", "loss", "min", "q1", "median", "q3", "max"])
    let all = techniques.map { Quartiles(measure.values($0.scores)) }
    let sign = measure.isLowBest ? -1.0 : 1
    let best = all.indices.max { sign * all[$0].median < sign * all[$1].median }
    for (place, technique) in techniques.enumerated() {
      let numbers = all[place].all.map { TableText.number($0, measure.digits) }
      table.add(
        [technique.name, technique.network, technique.loss] + numbers,
        isBold: place == best)
    }
    return table
  }

  /// Tests of normality of a measure (Tables 2 and 3); a dash where a test is not possible.
  public func normality(_ measure: Measure) -> ReportTable {
    var table = ReportTable(
      caption: "\(measure.name): tests of normality",
      header: ["technique", "Lilliefors D", "p", "Shapiro-Wilk W", "p"])
    for technique in techniques {
      let tests = NormalityTests(measure.values(technique.scores))
      table.add([
        technique.name, tests.lilliefors.map { TableText.number($0.d, 4) } ?? "-",
        tests.lilliefors.map { TableText.probability($0.p) } ?? "-",
        tests.shapiroWilk.map { TableText.number($0.w, 4) } ?? "-",
        tests.shapiroWilk.map { TableText.probability($0.p) } ?? "-",
      ])
    }
    return table
  }

  /// Wilcoxon's test of every pair of techniques, with dashes where values are equal throughout or infinite; throws where
  /// they are so for all.
  public func pairs(_ measure: Measure) throws(Diagnostic) -> ReportTable {
    var table = ReportTable(
      caption: "\(measure.name): paired comparisons (Wilcoxon); bold: p < 0.05 after Bonferroni",
      header: ["pair", "median difference", "p", "p (Bonferroni)"])
    let outcomes = self.outcomes(measure)
    if let first = outcomes.first, !outcomes.contains(where: { (try? $0.result.get()) != nil }) {
      _ = try first.result.get()
    }
    for (a, b, result) in outcomes {
      guard case .success(let pair) = result else {
        table.add(["\(a) - \(b)", "-", "-", "-"])
        continue
      }
      table.add(
        [
          "\(a) - \(b)", TableText.number(pair.medianDifference, measure.digits),
          TableText.probability(pair.p), TableText.probability(pair.pBonferroni),
        ], isBold: pair.pBonferroni < 0.05)
    }
    return table
  }

  /// The pairs that can be compared.
  func comparisons(_ measure: Measure) -> [PairedComparison] {
    outcomes(measure).compactMap { try? $0.result.get() }
  }

  private func outcomes(_ measure: Measure) -> [PairedComparison.Outcome] {
    PairedComparison.outcomes(
      names: techniques.map(\.name), samples: techniques.map { measure.values($0.scores) })
  }
}
