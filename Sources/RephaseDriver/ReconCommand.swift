import ArgumentParser
import Diagnostics
import Foundation
import MRData
import Tensors

struct ReconCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "recon",
    abstract: "Reconstruct images from a scan: under-sample, zero-fill, network.",
    discussion: """
      A SCAN is an .npy or .npz of magnitude images (their k-space is the centred transform) or of \
      complex k-space. Several scans give one output, frame after frame; they must agree in matrix, \
      coils and kind. Images are in the scan's units.
      """)

  @Argument(help: "The scans, .npy or .npz.")
  var scans: [String]

  @OptionGroup var model: ReconModelOptions

  @Option(
    help:
      "regular:EVERY:CENTRE, none, detect (not there yet), or an .npy with 0 and 1 per line or point."
  )
  var mask = "regular:4:22"

  @Option(help: "The phase-encoding axis that is under-sampled: rows or columns.")
  var axis: PhaseAxis = .columns

  @Option(
    help:
      "input (by the zero-filled image's range), minmax (the same here, where only that can be undone) or none."
  )
  var scale: ScalingMode = .input

  @Option(help: "hard puts the measured k-space back after the network; none does not.")
  var consistency: Reconstruction.Consistency = .none

  @Option(help: "The array of an .npz file: kspace, images or the only one unless given.")
  var array: String?

  @Option(help: "One slice of a scan with several, from 0; all of them unless given.")
  var slice: Int?

  @Option(
    help:
      "What the array's dimensions are, outermost first, such as coil,row,column, where the default is wrong."
  )
  var dimensions: String?

  @OptionGroup var outputs: ReconOutputOptions

  @Flag(help: "Print what was done as one JSON object.")
  var json = false

  @Flag(help: "No progress.")
  var quiet = false

  func validate() throws {
    if model.isNone, consistency != .none {
      throw ValidationError("--consistency hard corrects a network's images; --model none has none")
    }
    if let slice, slice < 0 { throw ValidationError("--slice counts from 0, not \(slice)") }
    if let dimensions {
      do { _ = try ScanOptions.axes(parsing: dimensions) } catch {
        throw ValidationError("--dimensions: \(error.message); \(error.help ?? "")")
      }
    }
    guard mask != "detect" else { return }
    do { _ = try SamplingPattern(parsing: mask) } catch {
      throw ValidationError("\(error.message); \(error.help ?? "")")
    }
  }

  func run() throws {
    try outputs.check(against: scans)
    let pattern = try self.pattern()
    let clock = ContinuousClock()
    let start = clock.now
    let scans = try read()
    let read = clock.now
    let network = try model.network()
    let prepared = clock.now
    var recipe = Reconstruction()
    recipe.pattern = pattern
    recipe.axis = axis
    recipe.scaling = scale
    recipe.consistency = consistency
    recipe.size = network?.size ?? model.size?.size ?? recipe.size
    recipe.batch = network?.shape[0] ?? 1
    recipe.channels = network?.shape[1] ?? 1
    let work = try ReconWork(recipe, network: network).run(scans, isQuiet: quiet)
    let report = report(
      scans[0], work, network,
      ReconReport.Times(
        read: (read - start).milliseconds, prepare: (prepared - read).milliseconds,
        zeroFillPerFrame: work.zeroFillMilliseconds, networkPerFrame: work.networkMilliseconds))
    try write(work.result, report)
    if json { try Console.json(report) } else { print(report.summary) }
  }

  private func pattern() throws(Diagnostic) -> SamplingPattern {
    guard mask != "detect" else {
      throw Diagnostic(
        "--mask detect is not there yet",
        help: "use --mask none for a scan that is under-sampled already, or name a mask file")
    }
    return try SamplingPattern(parsing: mask)
  }

  /// All scans; throws where they do not belong together.
  private func read() throws(Diagnostic) -> [Scan] {
    var scans: [Scan] = []
    for path in self.scans {
      let axes = try dimensions.map { (text) throws(Diagnostic) in
        try ScanOptions.axes(parsing: text)
      }
      let scan = try ScanReader.read(
        path, options: ScanOptions(array: array, slice: slice, axes: axes))
      if let first = scans.first, first.kindText != scan.kindText {
        throw Diagnostic(
          "this scan is \(scan.kindText), but \(first.path) is \(first.kindText)",
          at: SourceLocation(file: path), help: "reconstruct them one by one")
      }
      scans.append(scan)
    }
    return scans
  }

  private func report(
    _ scan: Scan, _ work: ReconWork.Done, _ network: ReconNetwork?, _ times: ReconReport.Times
  ) -> ReconReport {
    let result = work.result
    return ReconReport(
      scans: scans, scanRows: scan.rows, scanColumns: scan.columns, coils: scan.coils,
      frames: result.images.shape[0], rows: result.images.shape[1],
      columns: result.images.shape[2], mask: mask, axis: axis.rawValue,
      lines: axis == .rows ? scan.rows : scan.columns,
      linesKept: result.mask.keptLines?.count,
      nominalAcceleration: result.mask.nominalAcceleration,
      trueAcceleration: result.mask.trueAcceleration, model: network?.name ?? "none",
      engine: network?.engine ?? "none", times: times,
      zeroFilled: .init(result.zeroFilled, reference: result.reference),
      network: .init(result.output, reference: result.reference))
  }

  /// The sheet first: the images are there only where all went well.
  private func write(_ result: Reconstruction.Result, _ report: ReconReport) throws(Diagnostic) {
    if let path = outputs.sheetPath {
      let acceleration = String(format: "%.2f", report.trueAcceleration)
      let name = URL(fileURLWithPath: scans[0]).lastPathComponent
      let title = "\(name), \(mask) \(axis.rawValue), true \(acceleration), \(report.model)"
      try ContactSheet(result, title: title, rows: 3).write(to: path)
    }
    if let path = outputs.imagesPath {
      try NpyFile.write(.float32(result.images), to: path)
    }
  }
}

extension Scan {
  /// What scans must agree in to be reconstructed together.
  fileprivate var kindText: String {
    let size = "\(rows)x\(columns)"
    if isMagnitude { return "magnitude images of \(size)" }
    return "k-space of \(size) from \(coils) \(coils == 1 ? "coil" : "coils")"
  }
}

extension Duration {
  var milliseconds: Double {
    Double(components.seconds) * 1e3 + Double(components.attoseconds) * 1e-15
  }
}
