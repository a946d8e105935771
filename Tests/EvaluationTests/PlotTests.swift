import Diagnostics
import TestSupport
import Testing

@testable import Evaluation

@Suite struct PlotTests {
  @Test func profilesAreLinesOverTime() throws {
    // The value tells frame, row and column apart.
    let frame: [Double] = [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]
    let values = frame + frame.map { $0 + 100 }
    let cine = try images([2, 3, 4], values)
    #expect(TemporalProfile.profile(cine, .row(1)) == [10, 110, 11, 111, 12, 112, 13, 113])
    #expect(TemporalProfile.profile(cine, .column(2)) == [2, 102, 12, 112, 22, 122])
    _ = try TemporalProfile.figure(names: ["a"], series: [cine], line: .row(2)).png()
    #expect(
      message { () throws(Diagnostic) in
        _ = try TemporalProfile.figure(names: ["a"], series: [cine], line: .row(3))
      }?.contains("no such line") == true)
    let still = try images([3, 4], Array(values.prefix(12)))
    #expect(
      message { () throws(Diagnostic) in
        _ = try TemporalProfile.figure(names: ["a"], series: [still], line: .row(0))
      }?.contains("cine") == true)
  }

  @Test func comparisonsRefuseWhatDoesNotFit() throws {
    let (one, other) = (
      try randomImages([2, 6, 5], seed: 1), try randomImages([2, 5, 6], seed: 2)
    )
    func sheet(_ series: [ImageStack], _ frames: [Int]) -> String? {
      message { () throws(Diagnostic) in
        _ = try ComparisonSheet(
          names: series.map { _ in "x" }, series: series, reference: one, frames: frames)
      }
    }
    #expect(sheet([one], [0, 1]) == nil)
    #expect(sheet([other], [0])?.contains("differ") == true)
    #expect(sheet([one], [2]) == "there is no frame 2")
    #expect(sheet([], [0]) != nil)
    var good = try ComparisonSheet(names: ["x"], series: [one], reference: one, frames: [0])
    good.inset = .init(row: 2, column: 1, rows: 4, columns: 4)
    _ = try good.figure().svg()
    good.inset = .init(row: 3, column: 1, rows: 4, columns: 4)
    #expect(message { () throws(Diagnostic) in _ = try good.figure() }?.contains("inset") == true)
  }

  @Test func logsBecomeCurves() throws {
    let text = """
      {"step":2,"loss":0.5,"validation_loss":0.4,"epoch":1}
      {"step":1,"loss":1}

      """
    let curves = try TrainingLog(Array(text.utf8), at: "log").curves("run")
    #expect(curves.map(\.name) == ["run", "run, validation"])
    #expect(curves[0].points.map(\.x) == [1, 2] && curves[0].points.map(\.y) == [1, 0.5])
    #expect(curves[1].points.map(\.y) == [0.4])
    _ = try Curves.figure(curves, vertical: "loss", isLogarithmic: true).png()
    for bad in ["", "{}", "[1]", "{\"step\":1}\n{\"step\":"] {
      #expect(
        message { () throws(Diagnostic) in
          let log = try TrainingLog(Array(bad.utf8), at: "log")
          _ = try Curves.figure(log.curves("run"), vertical: "loss")
        } != nil)
    }
  }

  @Test func boxesLeaveOutWhatIsNotFinite() throws {
    _ = try BoxPlot.figure(names: ["a", "b"], samples: [[1, 2, .infinity], [4]], label: "x").png()
    #expect(
      message { () throws(Diagnostic) in
        _ = try BoxPlot.figure(names: ["a"], samples: [[.nan]], label: "x")
      } == "'a' has no finite value that could be drawn")
  }

  /// Differences that overflow or vanish are no reason to draw nothing, or to trap.
  @Test(arguments: [
    [-1.7e308, 0, 1.7e308], [1.7e308, 1.7e308], [0, .leastNonzeroMagnitude], [1e300, 1e300.nextUp],
    [1e-300, 3e-300],
    [1e9, 1e9 + 1e-9], [-3, 4],
  ])
  func scalesHoldNumbersOfAnySize(_ values: [Double]) throws {
    let scale = Scale(holding: values)
    #expect((2...20).contains(scale.ticks.count) && scale.ticks == scale.ticks.sorted())
    #expect(values.allSatisfy { (0...1).contains(scale.part($0)) })
    #expect(scale.ticks.allSatisfy { scale.label($0).count <= 12 })
    _ = try BoxPlot.figure(names: ["a"], samples: [values], label: "x").png()
  }

  @Test func studiesCompareAllTechniques() throws {
    let truth = try randomImages([12, 6, 6], seed: 1)
    let techniques = try (2..<5).map { seed in
      Study.Technique(
        name: "net \(seed)", network: "resnet4", loss: "l1",
        scores: try Scores(try randomImages([12, 6, 6], seed: UInt64(seed)), reference: truth))
    }
    let study = try Study(techniques)
    let measure = Study.measures[0]
    #expect(study.quartiles(measure).rows.map { $0[0] } == ["net 2", "net 3", "net 4"])
    #expect(study.normality(measure).rows.count == 3 && study.pairsCount == 3)
    let report = study.report(title: "<study>", about: "a & b")
    let html = try report.html()
    #expect(html.contains("<h1>&lt;study&gt;</h1>") && html.contains("a &amp; b"))
    #expect(try study.json().contains("\"snr_db\""))
    #expect(message { () throws(Diagnostic) in _ = try Study(techniques + [techniques[0]]) } != nil)
  }

  @Test func normalityHasDashesWhereThereIsNoTest() throws {
    let truth = try randomImages([5, 6, 6], seed: 1)
    let perfect = Study.Technique(
      name: "truth", network: "", loss: "", scores: try Scores(truth, reference: truth))
    let table = try Study([perfect]).normality(Study.measures[0])
    #expect(table.rows == [["truth", "-", "-", "-", "-"]])
    var same = perfect
    same.name = "same"
    let study = try Study([perfect, same])
    let html = try study.report(title: "t", about: "").html()
    #expect(html.contains("No box plot") && html.contains("No paired comparisons"))
    #expect(try study.json().contains("\"inf\""))
  }
}

extension Study {
  fileprivate var pairsCount: Int { (try? pairs(Study.measures[0]).rows.count) ?? -1 }
}
