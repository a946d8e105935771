import Diagnostics
import HDF5
import Tensors

/// One acquisition's header, as far as it is used.
struct ISMRMRDLine {
  /// Its number in the file.
  var record: Int
  var samples: Int
  var coils: Int
  /// The sample at zero frequency.
  var centre: Int
  var discardedBefore: Int
  var discardedAfter: Int
  var isReversed: Bool
  /// Indices of `ISMRMRDLines.counters`.
  var counters: [Int]
}

/// The lines of a file that make images, in the order of the file.
struct ISMRMRDLines {
  /// In the order of scans, with the phase encodings last.
  static let counters = [
    ("slice", Axis.slice), ("contrast", .contrast), ("repetition", .repetition), ("set", .set),
    ("phase", .frame), ("kspace_encode_step_2", .partition), ("kspace_encode_step_1", .column),
  ]

  let lines: [ISMRMRDLine]
  /// Lines measured without a signal.
  let noise: [ISMRMRDLine]
  /// How many lines were left out, and why.
  let notes: [String]

  private enum Use: Hashable {
    case image
    case noise
    case leftOut(String)
  }

  /// Throws where a header is out of bounds or no line makes an image.
  init(
    _ file: HDF5File, _ dataset: String, _ header: ISMRMRDHeader, slice: Int?
  ) throws(Diagnostic) {
    func head(_ names: String...) throws(Diagnostic) -> [Int] {
      try file.integers(dataset, member: ["head"] + names)
    }
    let flags = try head("flags")
    let space = try head("encoding_space_ref")
    let (samples, coils) = (try head("number_of_samples"), try head("active_channels"))
    let centre = try head("center_sample")
    let (before, after) = (try head("discard_pre"), try head("discard_post"))
    let counters = try Self.counters.map { (name, _) throws(Diagnostic) in
      try file.integers(dataset, member: ["head", "idx", name])
    }
    var lines: [ISMRMRDLine] = []
    var noise: [ISMRMRDLine] = []
    var left: [String: Int] = [:]
    var slices: Set<Int> = []
    let encoded = header.encoded.matrix[0]
    var longer = 0
    for record in flags.indices {
      let use = Self.use(flags[record], space: space[record], header)
      if case .leftOut(let why) = use {
        left[why, default: 0] += 1
        continue
      }
      let line = ISMRMRDLine(
        record: record, samples: samples[record], coils: coils[record],
        centre: centre[record] > 0 ? centre[record] : samples[record] / 2,
        discardedBefore: before[record], discardedAfter: after[record],
        isReversed: flags[record] >> 21 & 1 == 1, counters: counters.map { $0[record] })
      if use == .noise {
        noise.append(line)
        continue
      }
      try Self.check(line)
      let places = encoded / 2 - line.centre + line.discardedBefore
      if places < 0 || places + line.samples - line.discardedBefore - line.discardedAfter > encoded
      {
        longer += 1
      }
      slices.insert(line.counters[0])
      if slice == nil || slice == line.counters[0] { lines.append(line) }
    }
    if !noise.isEmpty { left["noise"] = noise.count }
    var notes = left.sorted { $0.key < $1.key }.map { "\($1) lines left out: \($0)" }
    if longer > 0 {
      notes.append("\(longer) lines are cut: they reach beyond the encoded matrix of \(encoded)")
    }
    guard !lines.isEmpty else {
      throw Self.empty(slice, of: slices.sorted(), notes)
    }
    self.lines = lines
    self.noise = noise
    self.notes = notes
  }

  private static func empty(_ slice: Int?, of slices: [Int], _ notes: [String]) -> Diagnostic {
    guard let slice, !slices.isEmpty else {
      return Diagnostic(
        "no line of the scan makes an image",
        help: notes.isEmpty ? "check how it was exported" : notes.joined(separator: "; "))
    }
    let known = slices.prefix(16).map(String.init).joined(separator: ", ")
    return Diagnostic("there is no slice \(slice)", help: "the scan has \(known)")
  }

  private static func use(_ flags: Int, space: Int, _ header: ISMRMRDHeader) -> Use {
    if flags >> 18 & 1 == 1 { return .noise }
    // In order: a line may be several of these.
    let reasons: KeyValuePairs = [
      23: "navigator", 24: "phase correction", 26: "feedback", 27: "dummy",
      28: "feedback", 29: "surface coil correction", 30: "phase stabilization",
      31: "phase stabilization",
    ]
    for (flag, reason) in reasons where flags >> (flag - 1) & 1 == 1 { return .leftOut(reason) }
    if space != 0 { return .leftOut("another encoding") }
    let isCalibrationAlone = flags >> 19 & 1 == 1 && flags >> 20 & 1 == 0
    let isApart = ["separate", "external"].contains(header.calibrationMode ?? "")
    return isCalibrationAlone && isApart ? .leftOut("calibration scan of its own") : .image
  }

  private static func check(_ line: ISMRMRDLine) throws(Diagnostic) {
    guard line.samples > 0, line.coils > 0, line.centre < line.samples,
      line.discardedBefore + line.discardedAfter < line.samples
    else {
      throw Diagnostic(
        "acquisition \(line.record) has a header that cannot be: \(line.samples) samples about "
          + "\(line.centre), \(line.coils) coils", help: "the file is damaged; write it again")
    }
  }
}

/// Where lines come to lie: [frame, coil, row, column], frames over the counters that vary.
struct ISMRMRDLayout {
  let series: [SeriesAxis]
  let coils: Int
  let rows: Int
  let columns: Int
  let partitions: Int
  let frames: Int
  let shape: Shape
  /// The values of each series counter that occur, in order.
  private let values: [[Int: Int]]
  private let columnShift: Int
  private let partitionShift: Int

  /// 2^29 complex numbers: 4 GiB.
  private static let maximumElements = 1 << 29

  /// Throws where lines lie outside the encoded matrix, or coils are missing from some.
  init(_ lines: ISMRMRDLines, _ header: ISMRMRDHeader) throws(Diagnostic) {
    let coils = lines.lines[0].coils
    if let odd = lines.lines.first(where: { $0.coils != coils }) {
      throw Diagnostic(
        "acquisition \(odd.record) has \(odd.coils) coils, but the first has \(coils)",
        help: "the file lacks coils; write it again")
    }
    self.coils = coils
    rows = header.extentInView(0)
    columns = header.encoded.matrix[1]
    partitions = header.encoded.matrix[2]
    columnShift = columns / 2 - (header.centres[0] ?? columns / 2)
    partitionShift = partitions / 2 - (header.centres[1] ?? partitions / 2)
    values = (0..<5).map { counter in
      let found = Set(lines.lines.map { $0.counters[counter] }).sorted()
      return Dictionary(uniqueKeysWithValues: zip(found, 0...))
    }
    let outer = zip(ISMRMRDLines.counters, values).map { SeriesAxis(axis: $0.1, count: $1.count) }
    let inner = partitions > 1 ? [SeriesAxis(axis: .partition, count: partitions)] : []
    series = inner + outer.filter { $0.count > 1 }
    frames = try Self.product([partitions] + outer.map(\.count))
    shape = try Shape([frames, coils, rows, columns])
    guard shape.elementCount <= Self.maximumElements, frames <= lines.lines.count * partitions
    else {
      throw Diagnostic(
        "\(frames) frames of \(coils) coils, \(rows) x \(columns) are more than are read",
        help: "choose one slice with --slice")
    }
    try checkPlaces(lines)
  }

  private static func product(_ counts: [Int]) throws(Diagnostic) -> Int {
    var product = 1
    for count in counts { product = try Shape([product, count]).elementCount }
    return product
  }

  private func checkPlaces(_ lines: ISMRMRDLines) throws(Diagnostic) {
    for line in lines.lines {
      let (column, partition) = (line.counters[6] + columnShift, line.counters[5] + partitionShift)
      guard (0..<columns).contains(column), (0..<partitions).contains(partition) else {
        throw Diagnostic(
          "acquisition \(line.record) is line \(line.counters[6]) of partition "
            + "\(line.counters[5]), outside the matrix of \(columns) x \(partitions)",
          help: "the header's matrix or limits are wrong; write the file again")
      }
    }
  }

  func place(of line: ISMRMRDLine) -> (frame: Int, column: Int) {
    var frame = line.counters[5] + partitionShift
    for (index, known) in values.enumerated() {
      frame = frame * known.count + (known[line.counters[index]] ?? 0)
    }
    return (frame, line.counters[6] + columnShift)
  }
}
