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
      A SCAN is raw data (ISMRMRD or fastMRI .h5, BART .cfl, MATLAB .mat, .npy, .npz) or magnitude \
      images (DICOM, NIfTI and the array formats), whose k-space is the centred transform; \
      'rephase info' says what a file is. Several scans give one output, frame after frame; they must \
      agree in matrix, coils and kind. Images are in the scan's units.
      """)

  @Argument(help: "The scans; a folder is a DICOM series.")
  var scans: [String]

  @OptionGroup var model: ReconModelOptions

  @Option(help: "\(SamplingPattern.help).")
  var mask = "regular:4:22"

  @Option(help: "The phase-encoding axis that is under-sampled: rows or columns.")
  var axis: PhaseAxis = .columns

  @Option(
    help:
      "Crop to the images' size before a scan is under-sampled, as if its field of view had been that, or after."
  )
  var crop: CropTime = .after

  @Option(
    help:
      "input (by the zero-filled image's range), minmax (the same here, where only that can be undone), percentile or none."
  )
  var scale: ScalingMode = .input

  @Option(help: "hard puts the measured k-space back after the network; none does not.")
  var consistency: Reconstruction.Consistency = .none

  @Option(help: "How lines left out are filled: zerofill, or grappa (several coils; --model none).")
  var method: Reconstruction.Method = .zerofill

  @Option(
    help: "How coils are combined: rss (root sum of squares) or adaptive (estimated sensitivities)."
  )
  var combine: CoilCombination = .rss

  @OptionGroup var reading: ScanReadOptions

  @OptionGroup var outputs: ReconOutputOptions

  @Flag(help: "Print what was done as one JSON object.")
  var json = false

  @Flag(help: "No progress.")
  var quiet = false

  func validate() throws {
    if !model.isNone, method == .grappa {
      throw ValidationError("--method grappa is a reconstruction of its own; use --model none")
    }
    if model.isNone, consistency != .none {
      throw ValidationError("--consistency hard corrects a network's images; --model none has none")
    }
    do { _ = try SamplingPattern(parsing: mask) } catch {
      throw ValidationError("\(error.message); \(error.help ?? "")")
    }
  }

  func run() throws {
    try outputs.check(against: scans + [mask] + [model.model, model.weights].compactMap { $0 })
    let clock = ContinuousClock()
    let start = clock.now
    var scans = try read()
    let read = clock.now
    let network = try model.network(frames: scans.map(\.consecutiveFrames).min() ?? 1)
    let prepared = clock.now
    var recipe = Reconstruction()
    recipe.pattern = try SamplingPattern(parsing: mask)
    recipe.axis = axis
    recipe.scaling = scale
    recipe.consistency = consistency
    recipe.method = method
    recipe.combination = combine
    recipe.size = network?.size ?? model.size?.size ?? recipe.size
    recipe.batch = network?.shape[0] ?? 1
    recipe.takesVolumes = network?.takesVolumes ?? false
    recipe.images = network?.images ?? .magnitude
    recipe.networkCoils = network?.coils
    recipe.networkLines = network?.lines
    if crop == .before, let size = recipe.size {
      scans = try scans.map { (scan) throws(Diagnostic) in try scan.cropped(to: size) }
    }
    let work = try ReconWork(recipe, network: network).run(scans, isQuiet: quiet)
    let report = report(
      scans[0], work, network,
      ReconReport.Times(
        read: (read - start).milliseconds, prepare: (prepared - read).milliseconds,
        zeroFillPerFrame: work.zeroFillMilliseconds, networkPerFrame: work.networkMilliseconds))
    try write(work.result, report, scans)
    if json { try Console.json(report) } else { print(report.summary) }
  }

  /// All scans; throws where they do not belong together.
  private func read() throws(Diagnostic) -> [Scan] {
    let options = try reading.options()
    var scans: [Scan] = []
    for path in self.scans {
      let scan = try ScanReader.read(path, options: options)
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
      columns: result.images.shape[2], mask: mask, axis: result.mask.axis.rawValue,
      lines: result.mask.axis == .rows ? scan.rows : scan.columns,
      linesKept: result.mask.keptLines?.count,
      nominalAcceleration: result.mask.nominalAcceleration,
      trueAcceleration: result.trueAcceleration, method: method.rawValue,
      model: network?.name ?? "none", engine: network?.engine ?? "none", weights: network?.weights,
      times: times,
      scaling: .init(scale, result.scalings),
      zeroFilled: .init(result.zeroFilled, reference: result.reference),
      grappa: method == .grappa ? .init(result.output, reference: result.reference) : nil,
      network: network == nil ? nil : .init(result.output, reference: result.reference))
  }

  /// The sheet first: the images are there only where all went well.
  private func write(
    _ result: Reconstruction.Result, _ report: ReconReport, _ scans: [Scan]
  ) throws(Diagnostic) {
    if let path = outputs.sheetPath {
      let acceleration = String(format: "%.2f", report.trueAcceleration)
      let name = URL(fileURLWithPath: self.scans[0]).lastPathComponent
      let title = "\(name), \(mask) \(axis.rawValue), true \(acceleration), \(report.model)"
      try ContactSheet(result, title: title, rows: 3).write(to: path)
    }
    if let path = outputs.imagesPath, let format = ImageFormat(path: path) {
      let scan = scans[0]
      var placement = scans.count == 1 ? scan.facts.placement : nil
      placement?.crop(
        ImageSize(height: scan.rows, width: scan.columns),
        to: ImageSize(height: result.images.shape[1], width: result.images.shape[2]))
      let series = ImageSeries(
        result.images, series: scans.count == 1 ? scan.series : [],
        spacing: scan.facts.spacing, secondsPerFrame: scan.facts.secondsPerFrame,
        placement: placement, scalings: result.scalings,
        scans: scans.flatMap { $0.facts.files.isEmpty ? [$0.path] : $0.facts.files },
        description: "Rephase \(report.method) \(report.model), \(mask) \(axis.rawValue)")
      try series.write(to: path, as: format)
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
