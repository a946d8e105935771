import Diagnostics
import Evaluation
import Foundation
import MRData
import Networks
import Tensors
import Training

/// Trained networks on a part of a prepared set.
struct SetEvaluation {
  /// A run's weights and what is known of their training.
  private struct Model {
    var name: String
    var weights: String
    var network: String
    var loss: String
    /// The run's log, where there is one.
    var log: String?
  }

  let set: PreparedSet
  let part: PreparedSet.Part
  /// Images that a network computes together.
  private static let batch = 8
  private let models: [Model]
  /// What the images that networks are given are called in the report.
  private static let withoutNetwork = "zero-filled"
  private let isQuiet: Bool

  /// `runs` are directories of 'train', or weight files whose metadata names the network.
  init(set path: String, part: PreparedSet.Part, runs: [String], isQuiet: Bool) throws {
    set = try PreparedSet(path)
    (self.part, self.isQuiet) = (part, isQuiet)
    let models = try runs.map(Self.model)
    for (place, model) in models.enumerated() {
      guard model.name != Self.withoutNetwork else {
        throw Diagnostic(
          "a model would be called as the images without a network are: \(model.weights)",
          help: "rename its folder or file")
      }
      guard let other = models[..<place].first(where: { $0.name == model.name }) else { continue }
      throw Diagnostic(
        "two models would be called '\(model.name)' in the report: \(other.weights) and \(model.weights)",
        help: "rename the folder or file of one")
    }
    self.models = models
  }

  private static func model(_ run: String) throws(Diagnostic) -> Model {
    let ending = ".safetensors"
    let isFile = run.hasSuffix(ending)
    let weights = isFile ? run : run + "/best.safetensors"
    let metadata = try Safetensors.read(weights).metadata
    guard let description = try Weights.modelDescription(metadata, file: weights) else {
      throw Diagnostic(
        "the weights name no network", at: SourceLocation(file: weights),
        help: "give a run of 'rephase train', or weights that Rephase wrote")
    }
    let record = metadata["training"].flatMap {
      try? JSONDecoder().decode([String: String].self, from: Data($0.utf8))
    }
    // A run's name may have points, as that of the loss l1+0.5*l2.
    let name = URL(fileURLWithPath: isFile ? String(run.dropLast(ending.count)) : run)
      .lastPathComponent
    let log = run + "/epochs.jsonl"
    return Model(
      name: name, weights: weights, network: description.network, loss: record?["loss"] ?? "",
      log: !isFile && FileManager.default.fileExists(atPath: log) ? log : nil)
  }

  /// Measures all models and writes the report.
  func write(to directory: String) throws -> Study {
    let networks = try models.map(network)
    var techniques = [
      Study.Technique(
        name: Self.withoutNetwork, network: "", loss: "",
        scores: try scores(Self.withoutNetwork) { $0 })
    ]
    for (model, network) in zip(models, networks) {
      techniques.append(
        Study.Technique(
          name: model.name, network: model.network, loss: model.loss,
          scores: try scores(model.name, network)))
    }
    let study = try Study(techniques)
    var report = study.report(title: "Evaluation of \(set.directory)", about: about)
    report.add(heading: "Images")
    report.add(
      try comparison(study, networks), name: "comparison",
      caption: "The images of lowest, median and highest zero-filled SNR.")
    try addProfile(study, networks, to: &report)
    try addCurves(to: &report)
    try report.write(to: directory, json: try study.json())
    return study
  }

  private var about: String {
    let subjects = set.manifest.subjects.filter { $0.part == part }.map(\.name)
    return "\(set.count(part)) images (\(part.rawValue)) of \(subjects.joined(separator: ", ")); "
      + "mask \(set.manifest.mask) along \(set.manifest.axis), true acceleration "
      + TableText.number(set.manifest.trueAcceleration, 2)
      + ". Images are scaled as the networks see them; PSNR and SSIM take the range 1."
  }

  /// A model as a function of [image, channel, row, column] with up to `batch` images.
  private func network(_ model: Model) throws -> NetworkFunction {
    let size = "\(set.shape[1])x\(set.shape[2])"
    let network = try ReconNetwork(
      try ModelOptions.parse([
        "--weights", model.weights, "--batch", "\(Self.batch)", "--size", size,
      ]))
    let channels = [network.shape[1], network.images.outputChannels]
    guard channels == [set.shape[0], set.targetShape[0]] else {
      throw Diagnostic(
        "the network makes \(channels[1]) channels of \(channels[0]), but the set has pairs of "
          + "\(set.shape[0]) and \(set.targetShape[0])",
        at: SourceLocation(file: model.weights),
        help: "evaluate networks and sets of one kind together")
    }
    try network.lines?.check(set.manifest, at: set.directory)
    return { (input) throws(Diagnostic) in
      // A smaller batch is filled up with empty images.
      let missing = network.shape.elementCount - input.values.count
      let filled = input.values + [Float](repeating: 0, count: missing)
      let output = try network.function(try Tensor(network.shape, filled))
      let shape = try Shape([input.shape[0]] + output.shape.extents.dropFirst())
      return try Tensor(shape, Array(output.values.prefix(shape.elementCount)))
    }
  }

  /// The measures of all images of the part, of which one batch at a time is in memory.
  private func scores(_ name: String, _ network: NetworkFunction) throws(Diagnostic) -> Scores {
    var all: Scores?
    var progress = CountProgress(total: set.count(part), isQuiet: isQuiet)
    defer { progress.close() }
    Console.progress(name, quiet: isQuiet)
    for start in stride(from: 0, to: set.count(part), by: Self.batch) {
      let indices = Array(start..<min(start + Self.batch, set.count(part)))
      let (input, target) = try set.images(part, indices)
      let scores = try Scores(
        try Self.magnitudes(try network(input)), reference: try Self.magnitudes(target))
      if all == nil { all = scores } else { all?.append(scores) }
      progress.show(start + indices.count)
    }
    guard let all else {
      throw Diagnostic(
        "the set has no images for \(part.rawValue)", at: SourceLocation(file: set.directory),
        help: "choose another --part")
    }
    return all
  }

  /// Images [image, channel, row, column] as readers see them: the root of the sum of the channels' squares where there
  /// are several, which is the magnitude of a complex image.
  private static func magnitudes(_ images: Tensor<Float>) throws(Diagnostic) -> ImageStack {
    let extents = images.shape.extents
    guard extents[1] > 1 else { return try ImageStack(.float32(images)) }
    var result = Tensor<Float>(try Shape([extents[0], 1] + extents[2...]), repeating: 0)
    let plane = extents[2] * extents[3]
    for place in result.values.indices {
      let first = place / plane * extents[1] * plane + place % plane
      result.values[place] = (0..<extents[1]).reduce(0) {
        hypot($0, images.values[first + $1 * plane])
      }
    }
    return try ImageStack(.float32(result))
  }

  private func comparison(
    _ study: Study, _ networks: [NetworkFunction]
  ) throws(Diagnostic) -> Figure {
    let snr = study.techniques[0].scores.snr
    let order = snr.indices.sorted { (snr[$0], $0) < (snr[$1], $1) }
    let chosen = Set([order[0], order[order.count / 2], order[order.count - 1]]).sorted()
    let (input, target) = try set.images(part, chosen)
    var stacks = [try Self.magnitudes(input)]
    for network in networks { stacks.append(try Self.magnitudes(try network(input))) }
    return try ComparisonSheet(
      names: study.techniques.map(\.name), series: stacks,
      reference: try Self.magnitudes(target), frames: Array(chosen.indices)
    ).figure()
  }

  /// The middle row of a cine over time, where the part has one with all its frames.
  private func addProfile(
    _ study: Study, _ networks: [NetworkFunction], to report: inout Report
  ) throws(Diagnostic) {
    guard let cine = try set.cine(part) else { return }
    let (input, target) = try set.images(part, cine)
    var stacks = [try Self.magnitudes(input)]
    for network in networks {
      var values: [Float] = []
      for start in stride(from: 0, to: cine.count, by: Self.batch) {
        let count = min(Self.batch, cine.count - start)
        values += try network(try input.images(start, count)).values
      }
      let shape = try Shape([cine.count] + set.targetShape)
      stacks.append(try Self.magnitudes(try Tensor(shape, values)))
    }
    let row = set.shape[1] / 2
    report.add(
      try TemporalProfile.figure(
        names: study.techniques.map(\.name) + ["reference"],
        series: stacks + [try Self.magnitudes(target)], line: .row(row)),
      name: "profile", caption: "Row \(row) of one cine over its \(cine.count) frames.")
  }

  private func addCurves(to report: inout Report) throws(Diagnostic) {
    var curves: [Curves.Curve] = []
    for model in models {
      guard let log = model.log else { continue }
      curves += try TrainingLog(try FileBytes.read(log), at: log).curves(model.name)
    }
    guard !curves.isEmpty else { return }
    report.add(heading: "Training")
    do {
      report.add(
        try Curves.figure(curves, vertical: "loss", isLogarithmic: true), name: "curves",
        caption: "Mean loss of each epoch; losses of different kinds are on different scales.")
    } catch { report.add(text: "No curves: \(error.message).") }
  }
}
