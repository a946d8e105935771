import Diagnostics
import Foundation
import Training

/// How training goes, on standard error: a bar on a terminal, plain lines elsewhere; a line for each epoch, unless they
/// are shorter than a second.
final class TrainProgress: TrainingObserver {
  private let total: Int
  private let batch: Int
  private let isQuiet: Bool
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private let signals = StopSignals()
  private let start = ContinuousClock.now
  private var firstStep: Int?
  private var shownAt = ContinuousClock.now
  private var closedAt = ContinuousClock.now
  private var isBarOpen = false

  /// Plain lines come this often, a bar is renewed more often.
  private static let lineInterval = Duration.seconds(30)
  private static let barInterval = Duration.milliseconds(100)
  private static let epochInterval = Duration.seconds(1)

  init(total: Int, batch: Int, isQuiet: Bool) {
    self.total = total
    self.batch = batch
    self.isQuiet = isQuiet
  }

  var stopReason: String? { signals.received }

  func stepped(_ state: TrainingState) {
    let first = firstStep ?? state.step - 1
    firstStep = first
    guard !isQuiet, let loss = state.history.losses.last else { return }
    let interval = isTerminal ? Self.barInterval : Self.lineInterval
    guard shownAt.duration(to: .now) > interval || (isTerminal && state.step == total) else {
      return
    }
    shownAt = .now
    let seconds = start.duration(to: .now) / .seconds(1)
    let rate = Double(state.step - first) / max(seconds, 1e-9)
    let text =
      "step \(state.step)/\(total)  loss \(Self.text(Double(loss)))"
      + String(format: "  %.1f images/s", rate * Double(batch))
      + "  ETA \(Self.duration(Double(total - state.step) / rate))"
    if isTerminal {
      // Clears what a longer line left.
      write("\r\u{1B}[K\(bar(state.step)) \(text)")
      isBarOpen = true
    } else {
      write(text + "\n")
    }
  }

  func closedEpoch(_ epoch: TrainingHistory.Epoch, isBest: Bool) {
    guard !isQuiet, closedAt.duration(to: .now) > Self.epochInterval || epoch.step == total else {
      return
    }
    closedAt = .now
    close()
    var text = "step \(epoch.step)/\(total): loss \(Self.text(Double(epoch.training)))"
    if epoch.validation.isFinite { text += ", validation \(Self.text(Double(epoch.validation)))" }
    write(text + (isBest ? ", best so far\n" : "\n"))
    shownAt = .now
  }

  /// Ends the bar's line, so that what follows starts on its own.
  func close() {
    if isBarOpen { write("\n") }
    isBarOpen = false
  }

  private func bar(_ done: Int) -> String {
    let width = 24
    let filled = min(width, done * width / max(total, 1))
    return "[" + String(repeating: "#", count: filled)
      + String(repeating: ".", count: width - filled) + "]"
  }

  private static func text(_ loss: Double) -> String { String(format: "%.4g", loss) }

  private static func duration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds < 1e8 else { return "-" }
    let whole = Int(seconds.rounded())
    return String(format: "%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60)
  }

  private func write(_ text: String) { StandardError.write(text) }
}
