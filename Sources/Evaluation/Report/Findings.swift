import Diagnostics

/// The findings of Ghodrati 2019 that measures of images can bear out, as far as a study has the networks for them.
struct Findings {
  enum Verdict: String {
    case reproduced = "reproduced"
    case sameDirection = "same direction, not significant"
    case notReproduced = "not reproduced"
    case undecided = "cannot be decided"
  }

  private let study: Study

  init(_ study: Study) { self.study = study }

  /// A row a finding: what the paper says, the verdict, and what it rests on.
  func table() -> ReportTable {
    var table = ReportTable(
      caption:
        "Findings of Ghodrati 2019 in these images (significant: p < 0.05, Wilcoxon, Bonferroni)",
      header: ["finding", "verdict", "why"])
    let (snr, ssim) = (Study.measures[0], Study.measures[1])
    let rows = [
      ("U-Net with L1 has the highest SNR", best("unet", "l1", snr)),
      ("U-Net with Dssim has the highest SSIM", best("unet", "dssim", ssim)),
      (
        "the perceptual loss gives U-Net less SNR than L1",
        compare(("unet", "l1"), ("unet", "perceptual"), snr)
      ),
      (
        "the perceptual loss gives U-Net less SSIM than Dssim",
        compare(("unet", "dssim"), ("unet", "perceptual"), ssim)
      ),
      (
        "readers rank the perceptual loss best",
        (Verdict.undecided, "that takes readers: see 'rephase rank'")
      ),
    ]
    for (finding, (verdict, why)) in rows { table.add([finding, verdict.rawValue, why]) }
    return table
  }

  private func technique(_ network: String, _ loss: String) -> Study.Technique? {
    study.techniques.first { $0.network == network && $0.loss == loss }
  }

  private func median(_ technique: Study.Technique, _ measure: Study.Measure) -> Double {
    Quartiles(measure.values(technique.scores)).median
  }

  private func missing(_ network: String, _ loss: String) -> (Verdict, String) {
    (.undecided, "no \(network) was trained with \(loss)")
  }

  /// Whether the paper has a network of this name.
  private static func isKnown(_ network: String) -> Bool {
    network == "unet" || network.hasPrefix("resnet")
  }

  /// Whether a network's median is above that of all other trained ones of the paper.
  private func best(
    _ network: String, _ loss: String, _ measure: Study.Measure
  ) -> (Verdict, String) {
    guard let own = technique(network, loss) else { return missing(network, loss) }
    let others = study.techniques.filter { $0.name != own.name && Self.isKnown($0.network) }
    guard let rival = others.max(by: { median($0, measure) < median($1, measure) }) else {
      return (.undecided, "no other network was trained")
    }
    return compare(own, rival, measure)
  }

  private func compare(
    _ first: (network: String, loss: String), _ second: (network: String, loss: String),
    _ measure: Study.Measure
  ) -> (Verdict, String) {
    guard let a = technique(first.network, first.loss) else {
      return missing(first.network, first.loss)
    }
    guard let b = technique(second.network, second.loss) else {
      return missing(second.network, second.loss)
    }
    return compare(a, b, measure)
  }

  /// Whether the first is better in the median, and by Wilcoxon's test with the correction of the study's pairs.
  private func compare(
    _ a: Study.Technique, _ b: Study.Technique, _ measure: Study.Measure
  ) -> (Verdict, String) {
    let (high, low) = (median(a, measure), median(b, measure))
    let numbers = [(a, high), (b, low)].map {
      "\($0.0.name) \(TableText.number($0.1, measure.digits))"
    }
    let why = "median \(measure.name): " + numbers.joined(separator: ", ")
    guard high > low else { return (.notReproduced, why) }
    let count = Double(study.techniques.count * (study.techniques.count - 1) / 2)
    let test = try? Wilcoxon(measure.values(a.scores), measure.values(b.scores))
    let isSure = test.map { $0.p * count < 0.05 } ?? false
    return (isSure ? .reproduced : .sameDirection, why)
  }
}
