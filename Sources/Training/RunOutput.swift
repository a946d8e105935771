import Diagnostics
import Foundation
import MRData
import Networks
import Tensors

/// Writes what a run leaves on disk.
public struct RunOutput {
  public let directory: RunDirectory
  public let store: CheckpointStore
  private let model: NetworkModel
  private let title: String

  /// `keep` checkpoints stay.
  public init(_ directory: RunDirectory, model: NetworkModel, title: String, keep: Int) {
    self.directory = directory
    self.model = model
    self.title = title
    store = CheckpointStore(directory: directory.checkpoints, keep: keep)
  }

  /// The settings, for people and for other programs.
  public func writeSettings(_ settings: [String: String]) throws(Diagnostic) {
    try AtomicFile.write(try Self.json(settings, pretty: true) + "\n", to: directory.settings)
  }

  /// A checkpoint first, so that nothing else on disk is ever ahead of what can be gone on from.
  func save(_ state: TrainingState) throws(Diagnostic) {
    try store.save(state)
    try weights(of: state).write(to: directory.last, for: model)
    try AtomicFile.write(Self.lines(state.history.epochs), to: directory.epochs)
  }

  func saveBest(_ state: TrainingState) throws(Diagnostic) {
    try weights(of: state).write(to: directory.best, for: model)
  }

  /// Weights with the training record as metadata `training`: a JSON object of the settings and the step.
  private func weights(of state: TrainingState) throws(Diagnostic) -> Weights {
    var record = state.settings
    record["step"] = "\(state.step)"
    return Weights(state.weights, metadata: ["training": try Self.json(record)])
  }

  /// Draws the losses so far.
  func plot(_ history: TrainingHistory) throws(Diagnostic) {
    let steps = history.losses.enumerated().map { (x: Double($0 + 1), y: Double($1)) }
    let validation = history.epochs.map { (x: Double($0.step), y: Double($0.validation)) }
    var series = [LinePlot.Series("batch", steps)]
    if history.epochs.contains(where: { !$0.validation.isNaN }) {
      series.append(LinePlot.Series("validation", validation))
    } else {
      let means = history.epochs.map { (x: Double($0.step), y: Double($0.training)) }
      series.append(LinePlot.Series("epoch mean", means))
    }
    try LinePlot(title: title, horizontal: "step", series: series).write(to: directory.curve)
  }

  private static func lines(_ epochs: [TrainingHistory.Epoch]) -> String {
    epochs.enumerated().map { index, epoch in
      let validation = epoch.validation.isNaN ? "" : ",\"validation_loss\":\(epoch.validation)"
      return
        "{\"epoch\":\(index + 1),\"step\":\(epoch.step),\"loss\":\(epoch.training)\(validation)}\n"
    }.joined()
  }

  private static func json(
    _ record: [String: String], pretty: Bool = false
  ) throws(Diagnostic) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting =
      pretty
      ? [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
      : [.sortedKeys, .withoutEscapingSlashes]
    do { return String(decoding: try encoder.encode(record), as: UTF8.self) } catch {
      throw Diagnostic("the settings cannot be written: \(error.localizedDescription)")
    }
  }
}
