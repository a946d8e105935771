import Diagnostics
import Foundation
import Tensors

/// The losses of a run as JSON lines, one written out with each step:
/// `{"step":63,"loss":0.25,"learning_rate":0.001}`; the step that closes an epoch has `epoch` too and, where there is
/// validation data, `validation_loss`.
final class StepLog {
  private let descriptor: Int32
  private let path: String

  private struct Line: Decodable {
    var step: Int
  }

  /// Starts a log that keeps an earlier one's lines up to step `step`; those of later steps were never completed.
  init(_ path: String, keepingUpTo step: Int) throws(Diagnostic) {
    self.path = path
    if step == 0 || FileManager.default.fileExists(atPath: path) {
      try AtomicFile.write(step == 0 ? "" : try Self.kept(path, upTo: step), to: path)
    }
    descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw Self.failure(path, errno) }
  }

  deinit { close(descriptor) }

  /// The line of the state's last step.
  func append(
    _ state: TrainingState, learningRate: Float, closesEpoch: Bool
  ) throws(Diagnostic) {
    guard let loss = state.history.losses.last else { return }
    var line = "{\"step\":\(state.step),\"loss\":\(loss),\"learning_rate\":\(learningRate)"
    if closesEpoch, let epoch = state.history.epochs.last {
      line += ",\"epoch\":\(state.history.epochs.count)"
      if epoch.validation.isFinite { line += ",\"validation_loss\":\(epoch.validation)" }
    }
    let bytes = Array((line + "}\n").utf8)
    guard write(descriptor, bytes, bytes.count) == bytes.count else {
      throw Self.failure(path, errno)
    }
  }

  private static func kept(_ path: String, upTo step: Int) throws(Diagnostic) -> String {
    let text = String(decoding: try FileBytes.read(path), as: UTF8.self)
    let decoder = JSONDecoder()
    let lines = text.split(separator: "\n").filter { line in
      guard let known = try? decoder.decode(Line.self, from: Data(line.utf8)) else { return false }
      return known.step <= step
    }
    return lines.map { $0 + "\n" }.joined()
  }

  private static func failure(_ path: String, _ code: Int32) -> Diagnostic {
    Diagnostic(
      "the log cannot be written: \(String(cString: strerror(code)))",
      at: SourceLocation(file: path), help: "make room or name another file with --log")
  }
}
