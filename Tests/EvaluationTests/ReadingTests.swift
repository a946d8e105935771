import Diagnostics
import TestSupport
import Testing

@testable import Evaluation

@Suite struct ReadingTests {
  private let two = "case,technique,rank\n1,a,1\n1,b,2\n2,b,1\n2,a,2\n"

  @Test func readsQuotesMarksAndLineEnds() throws {
    let text = "\u{FEFF}x,\"y, \"\"z\"\"\"\r\n \"a\" ,b\r\n\r\n\"two\nlines\",\n"
    let table = try CSVTable(Array(text.utf8), at: "t.csv")
    #expect(table.header == ["x", "y, \"z\""])
    #expect(table.rows.map(\.fields) == [["\"a\"", "b"], ["two\nlines", ""]])
    #expect(table.rows.map(\.line) == [2, 4])
    let again = try CSVTable(Array(CSVTable.text(table.rows.map(\.fields)).utf8), at: "u.csv")
    #expect(again.header == table.rows[0].fields && again.rows[0].fields == table.rows[1].fields)
  }

  @Test func namesTheLineThatIsWrong() throws {
    let location = try? #require(throws: Diagnostic.self) {
      try Readings([("r.csv", Array((two + "3,a,1\n3,a,2\n").utf8))])
    }.location
    #expect(location == SourceLocation(file: "r.csv", line: 7))
  }

  @Test func sortsTechniquesAndKeepsBlocks() throws {
    let readings = try Readings([("r.csv", Array(two.utf8)), ("s.csv", Array(two.utf8))])
    #expect(readings.techniques == ["a", "b"])
    #expect(readings.blocks.map(\.ranks) == [[1, 2], [2, 1], [1, 2], [2, 1]])
    let analysis = try ReadingAnalysis(readings)
    #expect(analysis.histogram == [[2, 2], [2, 2]])
    #expect(analysis.agreement == .init(readers: 2, cases: 2, kendallW: 1))
  }

  @Test func theKeyTellsWhatLettersMean() throws {
    let cases = [
      ReadingKey.Case(code: "K1", name: "1", order: ["b", "a"]),
      ReadingKey.Case(code: "K2", name: "2", order: ["a", "b"]),
    ]
    let reader = ReadingKey.Reader(name: "r", cases: cases)
    let key = ReadingKey(seed: 1, techniques: ["a", "b"], readers: [reader])
    let again = try ReadingKey(Array(try key.json().utf8), at: "key.json")
    #expect(again == key)
    let blinded = "case,technique,rank\nK1,A,2\nK1,B,1\nK2,A,2\nK2,B,1\n"
    let readings = try Readings([("r.csv", Array(blinded.utf8))], key: again)
    #expect(readings.blocks.map(\.caseName) == ["1", "2"])
    #expect(readings.blocks.map(\.ranks) == [[1, 2], [2, 1]])
    #expect(
      message { () throws(Diagnostic) in
        _ = try Readings(
          [("r.csv", Array(blinded.replacing("K1,A", with: "K1,C").utf8))], key: again)
      } == "case 'K1' has no image 'C'")
  }

  @Test func sessionsAreDrawnBySeed() throws {
    let image = try randomImages([4, 4], seed: 1)
    var cases = try (1...6).map {
      try ReadingSession.Case(name: "case \($0)", series: [image, image, image])
    }
    func key(_ seed: UInt64, _ last: String = "c") throws -> ReadingKey {
      try ReadingSession(
        techniques: ["a", "b", last], cases: cases, readers: 3, seed: seed, style: ReadingStyle()
      ).key
    }
    let first = try key(1).readers[0].cases[0].code
    #expect(try key(1) == key(1))
    #expect(try key(1).readers != key(2).readers)
    #expect(try key(1, "d").readers[0].cases[0].code != key(1).readers[0].cases[0].code)
    let others = try randomImages([4, 4], seed: 2)
    cases[5] = try ReadingSession.Case(name: "case 6", series: [image, image, others])
    #expect(try key(1).readers[0].cases[0].code != first)
    for reader in try key(1).readers {
      #expect(Set(reader.cases.map(\.name)).count == 6)
      #expect(reader.cases.allSatisfy { $0.order.sorted() == ["a", "b", "c"] })
    }
  }

  @Test func imagesThatAreAllButZeroAreBlack() throws {
    let image = try images([1, 2], [0, .leastNonzeroMagnitude])
    let session = try ReadingSession(
      techniques: ["a", "b"], cases: [try ReadingSession.Case(name: "c", series: [image, image])],
      readers: 1, seed: 1, style: ReadingStyle())
    #expect(try ReadingPage(session, reader: 0).html().contains("\"AAA=\""))
  }

  @Test func textOfUsersStaysText() throws {
    var style = ReadingStyle()
    style.title = "</title><b>\"&"
    style.criteria = ["</script><script>alert(1)</script>"]
    let image = try randomImages([4, 4], seed: 1)
    let session = try ReadingSession(
      techniques: ["a", "b"],
      cases: [try ReadingSession.Case(name: "<i>", series: [image, image])], readers: 1, seed: 1,
      style: style)
    let page = try ReadingPage(session, reader: 0).html()
    #expect(page.contains("<title>&lt;/title&gt;&lt;b&gt;&quot;&amp;</title>"))
    #expect(!page.contains("<script>alert") && !page.contains("<i>"))
  }
}
