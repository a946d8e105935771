import Tensors
import Testing

@testable import Evaluation

@Suite struct FindingsTests {
  private let truth: ImageStack

  init() throws { truth = try randomImages([30, 6, 6], seed: 1) }

  /// A technique whose images are the truth and this share of noise.
  private func technique(_ network: String, _ loss: String, noise: Double) throws
    -> Study.Technique
  {
    var random = SplitMix64(seed: UInt64(noise * 1000))
    let values = (0..<truth.frames).flatMap { frame in
      truth.frame(frame).map { $0 + noise * Double(random.nextUnit() - 0.5) }
    }
    let scores = try Scores(try images([30, 6, 6], values), reference: truth)
    return Study.Technique(
      name: "\(network)-\(loss)", network: network, loss: loss, scores: scores)
  }

  private func verdicts(_ techniques: [Study.Technique]) throws -> [String] {
    Findings(try Study(techniques)).table().rows.map { $0[1] }
  }

  @Test func findingsFollowTheMeasures() throws {
    let found = try verdicts([
      technique("unet", "l1", noise: 0.1), technique("unet", "dssim", noise: 0.2),
      technique("unet", "perceptual", noise: 0.4),
    ])
    #expect(
      found == [
        "reproduced", "not reproduced", "reproduced", "reproduced", "cannot be decided",
      ])
  }

  @Test func whatWasNotTrainedIsNotDecided() throws {
    let table = Findings(try Study([technique("resnet4", "l1", noise: 0.1)])).table()
    #expect(table.rows.allSatisfy { $0[1] == "cannot be decided" })
    #expect(table.rows[0][2] == "no unet was trained with l1")
    let alone = Findings(try Study([technique("unet", "l1", noise: 0.1)])).table()
    #expect(alone.rows[0][2] == "no other network was trained")
  }
}
