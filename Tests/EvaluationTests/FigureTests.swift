import Diagnostics
import TestSupport
import Testing

@testable import Evaluation

@Suite struct FigureTests {
  @Test func ticksAreRoundAndHoldTheData() {
    #expect(Scale(holding: [0.2, 9.7]).ticks == [0, 2, 4, 6, 8, 10])
    let small = Scale(holding: [0.131, 0.133])
    #expect(small.range.lowerBound <= 0.131 && small.range.upperBound >= 0.133)
    #expect(Set(small.ticks.map(small.label)).count == small.ticks.count)
    #expect(Scale(holding: [3, 3, .nan, .infinity]).range.contains(3))
    #expect(Scale(holding: []).range == 0...1)
    #expect(
      Scale(holding: [-0.3, 0.3]).ticks.map(Scale(holding: [-0.3, 0.3]).label).contains("0.0"))
  }

  @Test func oneDrawingGivesPNGAndSVG() throws {
    let test = try Friedman([[1, 2, 3], [1, 3, 2], [1, 2, 3], [1, 2, 3]])
    let names = ["a technique with a name that is far too long", "<&>", "c"]
    let figures = [
      try RankFigures.histogram(names: names, counts: [[4, 0, 0], [0, 3, 1], [0, 1, 3]]),
      try RankFigures.pairMatrix(names: names, test: test, alpha: 0.05),
      try RankFigures.pairGraph(names: names, test: test, alpha: 0.05),
    ]
    for figure in figures {
      let (png, svg) = (try figure.png(), try figure.svg())
      #expect(png.starts(with: [0x89, 0x50, 0x4E, 0x47]))
      #expect(String(decoding: svg, as: UTF8.self).contains("</svg>"))
      // Cairo numbers SVG elements on within a process; whole runs are compared by Tests/scripts/ranking.py.
      #expect(try figure.png() == png)
    }
  }

  @Test func refusesFiguresThatAreTooLarge() {
    #expect(
      message { () throws(Diagnostic) in _ = try Figure(width: 20_000, height: 10) { _ in } } != nil
    )
  }

  @Test func tablesGoToCSVAndLaTeX() {
    var table = ReportTable(caption: "50 % & more", header: ["name", "value"])
    table.add(["a_b, \"c\"", "<0.001"], isBold: true)
    #expect(table.csv == "name,value\n\"a_b, \"\"c\"\"\",<0.001\n")
    #expect(table.latex.contains("\\caption{50 \\% \\& more}"))
    #expect(table.latex.contains("\\textbf{a\\_b, \"c\"} & \\textbf{\\textless{}0.001} \\\\"))
    #expect(
      table.html.contains("<tr class=\"bold\"><td>a_b, &quot;c&quot;</td><td>&lt;0.001</td></tr>"))
  }
}
