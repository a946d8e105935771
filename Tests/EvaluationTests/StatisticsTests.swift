import Diagnostics
import Evaluation
import Foundation
import TestSupport
import Testing

@Suite struct StatisticsTests {
  @Test func normalQuantilesInvertTheDistribution() {
    for p in [1e-300, 1e-12, 0.01, 0.3, 0.5, 0.7, 0.975, 1 - 1e-9] {
      #expect(close(Normal.cumulative(Normal.quantile(p)), p, 1e-14))
    }
    #expect(close(Normal.quantile(0.975), 1.959963984540054, 1e-14))
  }

  @Test func chiSquaredTailsHaveTheirCriticalValues() {
    for (freedom, critical) in [(1, 3.841458820694124), (4, 9.487729036781154)] {
      #expect(close(ChiSquared.upperTail(critical, degreesOfFreedom: freedom), 0.05, 1e-12))
    }
    #expect(close(ChiSquared.upperTail(7.814727903251179, degreesOfFreedom: 3), 0.05, 1e-12))
    #expect(ChiSquared.upperTail(0, degreesOfFreedom: 3) == 1)
  }

  @Test func quartilesAreNumPys() {
    let quartiles = Quartiles([4, 1, 3, 2])
    #expect(quartiles.all == [1, 1.75, 2.5, 3.25, 4])
    #expect(
      Quartiles([.infinity, 1, .infinity]).all == [1, .infinity, .infinity, .infinity, .infinity])
    #expect(Quartiles([1, .nan]).median.isNaN)
  }

  @Test func friedmanCorrectsForTies() throws {
    // Conover 1999, by hand: ranks 1 2 3 | 1.5 1.5 3 | 2 1 3.
    let test = try Friedman([[1, 2, 3], [5, 5, 9], [7, 6, 8]])
    #expect(
      close(test.meanRanks[0], 1.5) && close(test.meanRanks[1], 1.5) && test.meanRanks[2] == 3)
    #expect(close(test.chiSquared, 4.5 / (1 - 6.0 / 72), 1e-12))
    #expect(close(test.kendallW, test.chiSquared / 6, 1e-12))
    #expect(test.pairs.count == 3 && test.pairs[0].z == 0 && test.pairs[0].pBonferroni == 1)
  }

  @Test func theCriticalGapsOfFiveTechniquesAreThePapers() throws {
    // 25 blocks, 5 techniques: mean ranks 1.255 apart have a corrected p of 0.05.
    let error = (5.0 * 6 / (6 * 25)).squareRoot()
    #expect(close(Normal.twoSided(1.2554 / error) * 10, 0.05, 1e-3))
    #expect(close(Normal.twoSided(0.8765 / error), 0.05, 1e-3))
  }

  @Test func wilcoxonCountsTheSigns() throws {
    let test = try Wilcoxon([1, 2, 3, 4, 5], [0, 0, 0, 0, 0])
    #expect(test.statistic == 0 && test.p == 2.0 / 32 && test.isExact && test.pairs == 5)
    #expect(test.medianDifference == 3)
    let even = try Wilcoxon([1, -1, 0], [0, 0, 0])
    #expect(even.p == 1 && even.pairs == 2)
  }

  @Test func normalityDoesNotDependOnUnits() throws {
    let values = [1, 3, 4, 7, 7.5, 12, 20]
    let test = try Normality(values)
    for unit in [0x1p-1060, 0x1p-600, 0x1p600, -0x1p1018] {
      let scaled = try Normality(values.map { $0 * unit })
      #expect(close(scaled.shapiroWilk.w, test.shapiroWilk.w, 1e-3), "\(unit)")
      #expect(close(scaled.lilliefors.d, test.lilliefors.d, 1e-3), "\(unit)")
    }
  }

  @Test func refusesWhatCannotBeTested() {
    #expect(message { () throws(Diagnostic) in _ = try Normality([1, 1, 1, 1]) } != nil)
    #expect(message { () throws(Diagnostic) in _ = try Normality([1, 2, 3]) } != nil)
    #expect(
      message { () throws(Diagnostic) in _ = try ShapiroWilk([Double](repeating: 1, count: 5001)) }
        != nil)
    #expect(message { () throws(Diagnostic) in _ = try Friedman([[1, 1], [2, 2]]) } != nil)
    #expect(message { () throws(Diagnostic) in _ = try Friedman([[1, 2]]) } != nil)
    #expect(message { () throws(Diagnostic) in _ = try Friedman([[1, 2], [1]]) } != nil)
    #expect(message { () throws(Diagnostic) in _ = try Friedman([[1, 2], [1, .nan]]) } != nil)
    #expect(message { () throws(Diagnostic) in _ = try Wilcoxon([1, 2], [1, 2]) } != nil)
    #expect(message { () throws(Diagnostic) in _ = try Wilcoxon([1, 2], [1]) } != nil)
  }
}
