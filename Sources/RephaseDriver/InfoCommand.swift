import ArgumentParser
import Diagnostics
import Foundation
import MRData

struct InfoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info",
    abstract: "Say what a scan is: format, dimensions, coils, sampling pattern, true acceleration.")

  @Argument(help: "The scan.")
  var scan: String

  @OptionGroup var reading: ScanReadOptions

  @Option(help: "The phase-encoding axis that is looked at first: rows or columns.")
  var axis: PhaseAxis = .columns

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    let scan = try ScanReader.read(scan, options: try reading.options())
    let report = try ScanReport(scan, axis: axis)
    if json { try Console.json(report) } else { print(report.summary) }
  }
}

/// What `info` says; the keys of `--json`.
struct ScanReport: Encodable {
  struct Dimension: Encodable {
    var axis: String
    var count: Int

    init(_ dimension: SeriesAxis) {
      axis = dimension.axis.rawValue
      count = dimension.count
    }

    fileprivate var text: String { "\(axis) \(count)" }
  }

  struct Sampling: Encodable {
    /// `full`, `regular`, `lines` or `points`.
    var pattern: String
    var axis: String
    var lines: Int
    /// Of the first frame; absent where the pattern is not made of lines.
    var linesKept: Int?
    /// Of the lines about the centre, without a gap; absent of a full pattern.
    var centralLines: Int?
    var offset: Int?
    /// Absent where the pattern has no rule.
    var nominalAcceleration: Double?
    /// All points over those measured, of all frames.
    var trueAcceleration: Double
    /// Whether frames differ in which points they have.
    var variesOverFrames: Bool

    enum CodingKeys: String, CodingKey {
      case pattern, axis, lines, offset
      case linesKept = "lines_kept"
      case centralLines = "central_lines"
      case nominalAcceleration = "nominal_acceleration"
      case trueAcceleration = "true_acceleration"
      case variesOverFrames = "varies_over_frames"
    }
  }

  var file: String
  var format: String
  var array: String?
  /// As the format counts them.
  var fileDimensions: [Dimension]
  /// `k-space` or `magnitude images`.
  var content: String
  var frames: Int
  /// What frames run over.
  var series: [Dimension]
  var coils: Int
  var rows: Int
  var columns: Int
  /// The field of view reconstructed, where that encoded is larger.
  var imageRows: Int?
  var imageColumns: Int?
  var spacing: [Double]?
  var sampling: Sampling
  var notes: [String]

  enum CodingKeys: String, CodingKey {
    case file, format, array, content, frames, series, coils, rows, columns, sampling, notes
    case fileDimensions = "file_dimensions"
    case imageRows = "image_rows"
    case imageColumns = "image_columns"
    case spacing = "spacing_mm"
  }
}

extension ScanReport {
  init(_ scan: Scan, axis: PhaseAxis) throws(Diagnostic) {
    file = scan.path
    format = scan.format.rawValue
    array = scan.facts.arrayName
    fileDimensions = scan.facts.fileAxes.map(Dimension.init)
    content = scan.isMagnitude ? "magnitude images" : "k-space"
    frames = scan.frames
    series = scan.series.map(Dimension.init)
    coils = scan.coils
    rows = scan.rows
    columns = scan.columns
    let size = scan.facts.imageSize
    let isCut = size.map { $0 != ImageSize(height: scan.rows, width: scan.columns) } ?? false
    imageRows = isCut ? size?.height : nil
    imageColumns = isCut ? size?.width : nil
    spacing = scan.facts.spacing
    sampling = try Sampling(scan, axis: axis)
    notes = scan.facts.notes
  }

  /// The same for people.
  var summary: String {
    func list(_ dimensions: [Dimension]) -> String {
      dimensions.map(\.text).joined(separator: ", ")
    }
    var lines = ["\(file): \(format), \(content)"]
    if !fileDimensions.isEmpty {
      lines.append("array\(array.map { " '\($0)'" } ?? ""): \(list(fileDimensions))")
    }
    let over = series.filter { $0.count > 1 }
    lines.append("frames: \(frames)" + (over.isEmpty ? "" : " (\(list(over)))"))
    lines.append("coils: \(coils), rows: \(rows), columns: \(columns)")
    if let imageRows, let imageColumns { lines.append("images: \(imageRows)x\(imageColumns)") }
    if let spacing {
      let text = spacing.map { String(format: "%.4g", $0) }.joined(separator: " x ")
      lines.append("spacing: \(text) mm (row, column, slice)")
    }
    return (lines + [sampling.summary] + notes).joined(separator: "\n")
  }
}

extension ScanReport.Sampling {
  init(_ scan: Scan, axis: PhaseAxis) throws(Diagnostic) {
    let (mask, report) = try scan.measuredMask(frame: 0, axis: axis)
    var kept = 0
    variesOverFrames = false
    for frame in 0..<scan.frames {
      let other = try scan.measuredMask(frame: frame, axis: axis).mask
      kept += other.keptCount
      if other.isKept != mask.isKept { variesOverFrames = true }
    }
    pattern = report.kind.rawValue
    self.axis = report.axis.rawValue
    lines = report.axis == .rows ? scan.rows : scan.columns
    linesKept = mask.keptLines?.count
    centralLines = report.centralLines
    offset = report.offset
    nominalAcceleration = mask.nominalAcceleration
    trueAcceleration = Double(scan.frames * mask.isKept.count) / Double(kept)
  }

  var summary: String {
    var text = "sampling: \(pattern)"
    if pattern != "full" {
      if let linesKept { text += ", \(linesKept) of \(lines) lines along \(axis)" }
      if let nominalAcceleration, let offset {
        text += String(format: ", every %.0fth from line %d", nominalAcceleration, offset)
      }
      if let centralLines { text += ", \(centralLines) central lines" }
    }
    text += String(format: ", true acceleration %.2f", trueAcceleration)
    return text + (variesOverFrames ? ", different from frame to frame" : "")
  }
}
