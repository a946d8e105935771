import ComplexModule
import Diagnostics
import RealModule
import Tensors
import TestSupport
import Testing

@testable import MRData

@Suite struct SamplingTests {
  @Test func keepsEveryFourthLineAndTheCentre() throws {
    let pattern = try SamplingPattern(parsing: "regular:4:22")
    let mask = try pattern.mask(rows: 2, columns: 128, axis: .columns)
    let expected = (0..<128).filter { $0 % 4 == 0 || (53..<75).contains($0) }
    #expect(mask.keptLines == expected)
    #expect(expected.count == 49)
    #expect(mask.nominalAcceleration == 4)
    #expect(abs(mask.trueAcceleration - 128.0 / 49) < 1e-12)
    #expect(mask.isKept[128 + 53] && !mask.isKept[128 + 51])
    let rows = try pattern.mask(rows: 192, columns: 2, axis: .rows)
    #expect(rows.keptLines?.count == 65)
    #expect(rows.isKept[2 * 85] && rows.isKept[2 * 85 + 1] && !rows.isKept[2 * 83])
    #expect(try pattern.mask(rows: 22, columns: 1, axis: .rows).isUndersampling == false)
  }

  @Test func movesByTheOffsetAndCentresOddCounts() throws {
    let pattern = try SamplingPattern(parsing: "regular:3:3:2")
    #expect(try pattern.mask(rows: 1, columns: 9, axis: .columns).keptLines == [2, 3, 4, 5, 8])
  }

  @Test(arguments: [
    "regular", "regular:4", "regular:0:2", "regular:4:-1", "regular:4:22:4", "regular:4:22:0:0",
    "regular:a:b", "regular:4:22:", "regular:99999999999999999999:1", "kt:4:22:1", "random:0:2",
    "density:4", "poisson:4:22:-1",
  ])
  func refusesMalformedPatterns(text: String) {
    let found = message { () throws(Diagnostic) in _ = try SamplingPattern(parsing: text) }
    #expect(found?.contains("is not a sampling pattern") == true)
  }

  @Test func drawsLinesBySeed() throws {
    for name in ["random", "density"] {
      func lines(_ seed: Int) throws -> [Int] {
        let pattern = try SamplingPattern(parsing: "\(name):4:12:\(seed)")
        return try #require(try pattern.mask(rows: 2, columns: 160, axis: .columns).keptLines)
      }
      let kept = try lines(1)
      #expect(kept.count == 40)
      #expect(Set(74..<86).isSubset(of: kept))
      #expect(try lines(1) == kept)
      #expect(try lines(2) != kept)
    }
    func spread(_ name: String) throws -> Int {
      let pattern = try SamplingPattern(parsing: "\(name):8:0:3")
      let mask = try pattern.mask(rows: 1, columns: 2048, axis: .columns)
      return try #require(mask.keptLines).reduce(0) { $0 + abs($1 - 1024) }
    }
    #expect(try spread("density") * 3 < spread("random") * 2)
  }

  @Test func interleavesFrames() throws {
    let pattern = try SamplingPattern(parsing: "kt:4:2")
    for frame in 0..<6 {
      let mask = try pattern.mask(rows: 1, columns: 16, axis: .columns, frame: frame)
      #expect(mask.keptLines == (0..<16).filter { $0 % 4 == frame % 4 || $0 == 7 || $0 == 8 })
    }
  }

  @Test func keepsPointsApart() throws {
    let mask = try SamplingPattern(parsing: "poisson:6:8:2").mask(
      rows: 96, columns: 64, axis: .columns)
    #expect(mask.keptCount == 96 * 64 / 6)
    #expect(mask.keptLines == nil && mask.nominalAcceleration == 6)
    #expect((44..<52).allSatisfy { row in (28..<36).allSatisfy { mask.isKept[row * 64 + $0] } })
    // Far from the centre, neighbours are rarer than where points are drawn without a rule (1 in 6).
    let pairs = (0..<64 * 20).filter { mask.isKept[$0] && $0 % 64 < 63 && mask.isKept[$0 + 1] }
    #expect(pairs.count < 8)
    #expect(throws: Diagnostic.self) {
      try SamplingPattern(parsing: "poisson:4:60").mask(rows: 96, columns: 64, axis: .columns)
    }
  }

  @Test(arguments: ["regular:4:22:1", "regular:3:0:2", "density:4:10", "poisson:5:8", "none"])
  func detectsPatterns(text: String) throws {
    let pattern = try SamplingPattern(parsing: text)
    for axis in PhaseAxis.allCases {
      let mask = try pattern.mask(rows: 60, columns: 72, axis: axis)
      let values = try mask.apply(to: try complexRamp([1, 2, 60, 72]))
      let scan = Scan(
        content: .kSpace(try KSpace(values.map { Complex(Float($0.real), Float($0.imaginary)) })),
        path: "", format: .npy, series: [], facts: ScanFacts())
      let (found, report) = try scan.measuredMask(frame: 0, axis: axis)
      #expect(found.isKept == mask.isKept)
      #expect(found.keptLines == mask.keptLines)
      let isRegular = text.hasPrefix("regular")
      #expect(found.nominalAcceleration == (isRegular ? mask.nominalAcceleration : nil))
      #expect(
        report.kind.rawValue
          == ["r": "regular", "d": "lines", "p": "points", "n": "full"][text.first])
      if text == "regular:4:22:1" {
        #expect(report.offset == 1 && (22...24) ~= report.centralLines ?? 0)
      }
    }
  }

  /// Partial Fourier, a few lines left out, and lines padded on both sides as scanners export them.
  @Test(arguments: [
    "partial": (lines: 16..<72, step: 72, isReference: true),
    "gaps": (lines: 0..<72, step: 5, isReference: false),
    "padded": (lines: 4..<68, step: 72, isReference: true),
    "padded to an odd number": (lines: 4..<69, step: 72, isReference: true),
  ])
  func tellsPartialScans(
    name: String, sampled: (lines: Range<Int>, step: Int, isReference: Bool)
  ) throws {
    let lines = sampled.lines.filter { $0 % sampled.step != 1 }
    let isReference = sampled.isReference
    let acceleration = name.hasPrefix("padded") ? 1 : 72 / Double(lines.count)
    var values = [Complex<Float>](repeating: .zero, count: 60 * 72)
    for row in 0..<60 { for line in lines { values[row * 72 + line] = Complex(1, Float(row)) } }
    let scan = Scan(
      content: .kSpace(try KSpace(try Tensor(try Shape([1, 1, 60, 72]), values))), path: "",
      format: .npy, series: [], facts: ScanFacts())
    let (mask, report) = try scan.measuredMask(frame: 0)
    #expect(abs(Double(72 * 60) / Double(mask.keptCount) - acceleration) < 1e-9)
    #expect((report.kind == .full) == (acceleration == 1))
    #expect(scan.isFullySampled == isReference)
  }

  @Test func keepsNothingThatWasNotMeasured() throws {
    let measured = try SamplingPattern(parsing: "regular:4:0").mask(
      rows: 8, columns: 16, axis: .columns)
    let values = try measured.apply(to: try complexRamp([1, 1, 8, 16]))
    let scan = Scan(
      content: .kSpace(try KSpace(values.map { Complex(Float($0.real), Float($0.imaginary)) })),
      path: "", format: .npy, series: [], facts: ScanFacts())
    func kept(_ text: String) throws -> SamplingMask {
      try FrameMasks(scan, try SamplingPattern(parsing: text), .columns).mask(frame: 0)
    }
    #expect(try kept("none").keptLines == [0, 4, 8, 12])
    #expect(try kept("detect").nominalAcceleration == 4)
    #expect(try kept("regular:8:0").keptLines == [0, 8])
    #expect(throws: Diagnostic.self) { try kept("regular:4:0:1") }
  }

  @Test func refusesMoreCentralLinesThanThereAre() throws {
    let pattern = SamplingPattern.regular(every: 4, centre: 22, offset: 0)
    #expect(throws: Diagnostic.self) { try pattern.mask(rows: 9, columns: 21, axis: .columns) }
  }

  @Test func readsMasksFromFiles() throws {
    let scratch = try Scratch()
    let path = scratch.file("mask.npy")
    func mask(_ extents: [Int], _ values: [UInt8], _ axis: PhaseAxis) throws -> SamplingMask {
      try NpyFile.write(.uint8(try Tensor(try Shape(extents), values)), to: path)
      return try SamplingPattern(parsing: path).mask(rows: 2, columns: 3, axis: axis)
    }
    #expect(try mask([3], [1, 0, 1], .columns).isKept == [true, false, true, true, false, true])
    #expect(try mask([2], [0, 1], .rows).keptLines == [1])
    let points = try mask([2, 3], [1, 0, 0, 0, 0, 1], .columns)
    #expect(points.keptLines == nil)
    #expect(points.trueAcceleration == 3)
    #expect(throws: Diagnostic.self) { try mask([2], [0, 1], .columns) }
    #expect(throws: Diagnostic.self) { try mask([3], [0, 2, 0], .columns) }
    #expect(throws: Diagnostic.self) { try mask([3], [0, 0, 0], .columns) }
    #expect(throws: Diagnostic.self) {
      try SamplingPattern(parsing: scratch.file("none.npy")).mask(rows: 2, columns: 3, axis: .rows)
    }
  }

  @Test(.enabled(if: SharedData.folder != nil)) func readsAPoissonDiscMask() throws {
    let path = try SharedData.file("masks/poisson_disk_128.npy")
    let mask = try SamplingPattern.file(path).mask(rows: 128, columns: 128, axis: .columns)
    #expect((7.5...8.5).contains(mask.trueAcceleration))
  }

  @Test func combinesCoilsByTheRootSumOfSquares() throws {
    let images = try Tensor(
      try Shape([2, 1, 2]), [Complex(3.0, 0), Complex(0, 1), Complex(0, 4), Complex(0, 0)])
    #expect(try CoilCombination.rootSumOfSquares(images).values == [5, 1])
  }

  @Test func cropsAndPadsAboutTheCentre() throws {
    let image = try Tensor(try Shape([4, 5]), (0..<20).map { Float($0) })
    let cut = try Cropping.centre(image, to: ImageSize(height: 2, width: 3), padding: 0)
    #expect(cut.values == [6, 7, 8, 11, 12, 13])
    let wide = try Cropping.centre(cut, to: ImageSize(height: 4, width: 5), padding: -1)
    #expect(wide.values[7] == 7 && wide.values[2 * 5 + 2] == 12 && wide.values[0] == -1)
    let mixed = try Cropping.centre(image, to: ImageSize(height: 6, width: 1), padding: -1)
    #expect(mixed.values == [-1, 2, 7, 12, 17, -1])
    var target = Tensor<Float>(try Shape([4, 5]), repeating: 0)
    try Cropping.insert(mixed, into: &target)
    #expect(target.values.reduce(0, +) == 38 && target.values[12] == 12)
  }

  @Test func readsSizes() throws {
    #expect(try ImageSize(parsing: "192x128") == ImageSize(height: 192, width: 128))
    for text in ["", "192", "0x4", "-1x4", "4x4x4", "axb", "4x99999999999999999999"] {
      #expect(throws: Diagnostic.self) { try ImageSize(parsing: text) }
    }
  }

  @Test func scalesToTheUnitRangeAndBack() {
    let scaling = Scaling(mappingRangeOf: [3, 1, 5])
    #expect([1, 3, 5].map(scaling.apply) == [0, 0.5, 1])
    #expect([0, 0.5, 1].map(scaling.invert) == [1, 3, 5])
    let flat = Scaling(mappingRangeOf: [2, 2])
    #expect(flat.apply(2) == 0 && flat.invert(0) == 2)
    #expect(Scaling(mappingMaximum: 0) == .identity)
  }
}
