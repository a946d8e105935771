import ComplexModule
import Diagnostics
import HDF5
import RealModule
import Tensors

/// Cartesian raw data in ISMRMRD's HDF5 layout: a group with `xml` and the records `data`.
///
/// Noise scans (unless `ScanOptions.prewhitens`), navigators, phase-correction and dummy lines are left out. Calibration lines stand at their place in
/// k-space and are kept, unless the header says that they are from a scan of their own. Lines measured more than once
/// are averaged. Rows are the readout, without its oversampling; columns the first phase encoding. Partitions that lie
/// outside the field of view reconstructed are left out.
///
/// Format: ISMRMRD's documentation, "MR acquisition data" and "Cartesian"; flags count from 1.
struct ISMRMRDFile {
  private let file: HDF5File
  private let dataset: String
  private let header: ISMRMRDHeader
  /// Of the choice among several scans; empty where there is one.
  private let choice: [String]

  /// The groups of scans in a file, by name.
  static func groups(of file: HDF5File) -> [String] {
    file.names(in: "/").filter { file.contains("\($0)/xml") && file.contains("\($0)/data") }
  }

  /// The scan of the group `array`, or of the first one; throws where there is no such group.
  static func scan(
    of file: HDF5File, groups: [String], options: ScanOptions
  ) throws(Diagnostic) -> Scan {
    let group = options.array ?? groups[0]
    guard groups.contains(group) else {
      throw Diagnostic(
        "an ISMRMRD file's scans are its groups, and there is no '\(group)'",
        help: groups.count == 1
          ? "leave --array out" : "give --array one of: \(groups.joined(separator: ", "))")
    }
    var options = options
    options.array = nil
    let all = groups.joined(separator: ", ")
    return try ISMRMRDFile(
      file, group: group,
      choice: groups.count == 1
        ? [] : ["\(group) is one of \(groups.count) scans (\(all)): --array chooses"]
    ).scan(options: options)
  }

  /// Throws where the header is damaged or the trajectory is not Cartesian.
  private init(_ file: HDF5File, group: String, choice: [String]) throws(Diagnostic) {
    self.file = file
    self.choice = choice
    dataset = group + "/data"
    header = try ISMRMRDHeader(parsing: try file.string(group + "/xml"))
    guard header.trajectory == "cartesian" || header.trajectory == "epi" else {
      throw Diagnostic(
        "the trajectory is '\(header.trajectory)', not Cartesian",
        help: "grid the data first; Rephase reads Cartesian scans")
    }
  }

  private func scan(options: ScanOptions) throws(Diagnostic) -> Scan {
    guard options.axes == nil, options.content != .images else {
      throw Diagnostic(
        "an ISMRMRD file says itself what it holds",
        help: "leave --dimensions and --content out")
    }
    let lines = try ISMRMRDLines(file, dataset, header, slice: options.slice)
    let layout = try ISMRMRDLayout(lines, header)
    var kSpace = try filled(lines, layout)
    var notes = choice + header.notes + lines.notes
    if options.prewhitens {
      kSpace = try NoiseWhitening(noise: noise(lines, coils: layout.coils)).apply(kSpace)
      notes.append("coils prewhitened by \(lines.noise.count) noise lines")
    }
    var series = layout.series
    if layout.partitions > 1 {
      kSpace = try Fourier.inverse(kSpace, alongFirstOf: layout.partitions)
      let inView = header.extentInView(2)
      if inView < layout.partitions {
        kSpace = try middle(inView, of: layout.partitions, kSpace)
        series[0].count = inView
        notes.append(
          "\(inView) of \(layout.partitions) partitions lie in the field of view; the others are left out"
        )
      }
    }
    guard kSpace.values.contains(where: { $0 != .zero }) else {
      throw Diagnostic("all values of the scan are zero", help: "check how it was exported")
    }
    var facts = ScanFacts()
    facts.imageSize = header.imageSize
    facts.spacing = header.spacing
    facts.notes = notes
    return Scan(
      content: .kSpace(try KSpace(kSpace)), path: file.path, format: .ismrmrd,
      series: series, facts: facts)
  }

  /// The frames of the middle partitions, which are the slowest dimension of frames.
  private func middle(
    _ kept: Int, of partitions: Int, _ frames: Tensor<Complex<Float>>
  ) throws(Diagnostic) -> Tensor<Complex<Float>> {
    let partition = frames.shape.elementCount / partitions
    let first = partitions / 2 - kept / 2
    var extents = frames.shape.extents
    extents[0] = extents[0] / partitions * kept
    return try Tensor(
      try Shape(extents), Array(frames.values[first * partition..<(first + kept) * partition]))
  }

  /// All noise samples of each coil.
  private func noise(
    _ lines: ISMRMRDLines, coils: Int
  ) throws(Diagnostic) -> [[Complex<Double>]] {
    guard !lines.noise.isEmpty else {
      throw Diagnostic("the scan has no noise lines", help: "read it without --prewhiten")
    }
    var noise = [[Complex<Double>]](repeating: [], count: coils)
    for line in lines.noise {
      let samples = try file.sequences(
        dataset, member: ["data"], rows: line.record..<line.record + 1,
        maximum: 2 * coils * 65_536)[0]
      try check(line, has: samples.count, coils: coils)
      for coil in 0..<coils {
        for index in coil * line.samples..<(coil + 1) * line.samples {
          noise[coil].append(
            Complex(Double(samples[2 * index]), Double(samples[2 * index + 1])))
        }
      }
    }
    return noise
  }

  private func check(
    _ line: ISMRMRDLine, has count: Int, coils: Int
  ) throws(Diagnostic) {
    guard count == 2 * line.samples * coils else {
      throw Diagnostic(
        "acquisition \(line.record) has \(count / 2) values, not the \(line.samples) samples of "
          + "\(coils) coils that its header says",
        help: "the file is damaged; copy or write it again")
    }
  }

  /// [frame, coil, row, column]; lines that were not measured are zero.
  private func filled(
    _ lines: ISMRMRDLines, _ layout: ISMRMRDLayout
  ) throws(Diagnostic) -> Tensor<Complex<Float>> {
    var values = [Complex<Float>](repeating: .zero, count: layout.shape.elementCount)
    var counts = [Int](repeating: 0, count: layout.frames * layout.columns)
    let readout = ISMRMRDReadout(header)
    let chunk = 1024
    var next = 0
    while next < lines.lines.count {
      let first = lines.lines[next].record
      let part = lines.lines[next...].prefix { $0.record < first + chunk }
      let records = first..<(part.last?.record ?? first) + 1
      let data = try file.sequences(
        dataset, member: ["data"], rows: records, maximum: 2 * layout.coils * 65_536)
      for line in part {
        let samples = data[line.record - first]
        try check(line, has: samples.count, coils: layout.coils)
        let place = layout.place(of: line)
        counts[place.frame * layout.columns + place.column] += 1
        for coil in 0..<layout.coils {
          let row = try readout.row(line, samples, coil: coil)
          let start = (place.frame * layout.coils + coil) * layout.rows * layout.columns
          for index in row.indices {
            values[start + index * layout.columns + place.column] += row[index]
          }
        }
      }
      next += part.count
    }
    try average(&values, counts, layout)
    return try Tensor(layout.shape, values)
  }

  private func average(
    _ values: inout [Complex<Float>], _ counts: [Int], _ layout: ISMRMRDLayout
  ) throws(Diagnostic) {
    let plane = layout.rows * layout.columns
    for index in values.indices {
      let frame = index / (plane * layout.coils)
      let count = counts[frame * layout.columns + index % layout.columns]
      if count > 1 { values[index] /= Complex(Float(count)) }
      guard values[index].isFinite else {
        throw Diagnostic(
          "a value of coil \(index / plane % layout.coils) is not finite",
          help: "the scan must hold neither NaN nor infinities")
      }
    }
  }
}

/// Readouts brought to the rows of the encoded matrix and rid of their oversampling.
private struct ISMRMRDReadout {
  private let encoded: Int
  private let rows: Int

  init(_ header: ISMRMRDHeader) {
    encoded = header.encoded.matrix[0]
    rows = header.extentInView(0)
  }

  /// The samples of one coil about the centre of the row, as long as the encoded matrix; then the middle of their
  /// transform, transformed back.
  func row(
    _ line: ISMRMRDLine, _ samples: [Float], coil: Int
  ) throws(Diagnostic) -> [Complex<Float>] {
    var row = [Complex<Double>](repeating: .zero, count: encoded)
    let start = coil * line.samples
    // What is discarded counts in the order of acquisition, the centre in that of k-space.
    let (before, after) =
      line.isReversed
      ? (line.discardedAfter, line.discardedBefore) : (line.discardedBefore, line.discardedAfter)
    for index in before..<line.samples - after {
      let from = line.isReversed ? line.samples - 1 - index : index
      let place = encoded / 2 - line.centre + index
      guard row.indices.contains(place) else { continue }
      row[place] = Complex(
        Double(samples[2 * (start + from)]), Double(samples[2 * (start + from) + 1]))
    }
    guard rows < encoded else { return row.map(Complex<Float>.init(rounding:)) }
    let image = try Fourier.inverse(try Tensor(try Shape([encoded, 1]), row))
    let first = encoded / 2 - rows / 2
    let middle = Array(image.values[first..<first + rows])
    return try Fourier.forward(try Tensor(try Shape([rows, 1]), middle)).values
      .map(Complex<Float>.init(rounding:))
  }
}
