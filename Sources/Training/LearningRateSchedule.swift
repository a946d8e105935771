import Diagnostics
import Foundation

/// How the learning rate changes over a run, as a factor on the one that was asked for.
public enum LearningRateSchedule: Sendable, Hashable, CustomStringConvertible {
  case constant
  /// Half a cosine from 1 at the first step to 0 after the last.
  case cosine
  /// Times `factor` after each `epochs` epochs.
  case step(epochs: Int, factor: Double)

  /// The value of `--schedule`: `constant`, `cosine`, or `step:EPOCHS:FACTOR`.
  public init(parsing text: String) throws(Diagnostic) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    switch parts[0] {
    case "constant" where parts.count == 1: self = .constant
    case "cosine" where parts.count == 1: self = .cosine
    case "step" where parts.count == 3:
      guard let epochs = Int(parts[1]), (1...1_000_000).contains(epochs),
        let factor = Double(parts[2]), factor > 0, factor <= 1
      else { throw Self.unknown(text) }
      self = .step(epochs: epochs, factor: factor)
    default: throw Self.unknown(text)
    }
  }

  private static func unknown(_ text: String) -> Diagnostic {
    Diagnostic(
      "--schedule does not know '\(text)'",
      help: "give constant, cosine, or step:EPOCHS:FACTOR with a factor over 0 and up to 1")
  }

  public var description: String {
    switch self {
    case .constant: return "constant"
    case .cosine: return "cosine"
    case .step(let epochs, let factor): return "step:\(epochs):\(factor)"
    }
  }

  /// The factor for the step after `done` steps of `total`, in the epoch of this number (from 0).
  func factor(done: Int, total: Int, epoch: Int) -> Double {
    switch self {
    case .constant: return 1
    case .cosine: return 0.5 * (1 + cos(Double.pi * Double(done) / Double(total)))
    case .step(let epochs, let factor): return pow(factor, Double(epoch / epochs))
    }
  }
}
