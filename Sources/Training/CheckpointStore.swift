import Diagnostics
import Foundation
import Tensors

/// The checkpoints of one run: the last few, each a file of its own that appears complete or not at all.
public struct CheckpointStore: Sendable {
  public let directory: String
  /// Checkpoints that stay; older ones go when a new one is there.
  public let keep: Int

  private static let prefix = "step-"
  private static let suffix = ".checkpoint"

  public init(directory: String, keep: Int) {
    self.directory = directory
    self.keep = keep
  }

  /// Writes and syncs the new checkpoint, then removes those that are too old, and those of later steps: they belong to
  /// a future that was given up, or are damaged.
  ///
  /// Throws, with all earlier checkpoints in place, where it cannot be written.
  public func save(_ state: TrainingState) throws(Diagnostic) {
    try AtomicFile.write(try Checkpoint.encode(state), to: path(state.step))
    for (index, step) in steps().filter({ $0 <= state.step }).enumerated() where index >= keep {
      unlink(path(step))
    }
    for step in steps() where step > state.step { unlink(path(step)) }
  }

  /// The last good checkpoint, nil where there is no file of one; `skipped` hears of each damaged one.
  ///
  /// Throws where there are checkpoints, but no good one.
  public func latest(skipped: (Diagnostic) -> Void) throws(Diagnostic) -> TrainingState? {
    var failures = 0
    for step in steps() {
      do throws(Diagnostic) {
        let state = try Checkpoint.decode(try FileBytes.read(path(step)), path: path(step))
        guard state.step == step else {
          throw Diagnostic(
            "the checkpoint is that of step \(state.step)", at: SourceLocation(file: path(step)))
        }
        return state
      } catch {
        failures += 1
        skipped(error)
      }
    }
    guard failures == 0 else {
      throw Diagnostic(
        "none of the \(failures) checkpoints can be read", at: SourceLocation(file: directory),
        help: "train into a new directory, or remove this one to start again")
    }
    return nil
  }

  func path(_ step: Int) -> String {
    let digits = "\(step)"
    let zeros = String(repeating: "0", count: max(0, 9 - digits.count))
    return "\(directory)/\(Self.prefix)\(zeros)\(digits)\(Self.suffix)"
  }

  /// The steps that there are files of, the last one first.
  private func steps() -> [Int] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    return names.compactMap { name in
      guard name.hasPrefix(Self.prefix), name.hasSuffix(Self.suffix) else { return nil }
      return Int(name.dropFirst(Self.prefix.count).dropLast(Self.suffix.count))
    }.sorted(by: >)
  }
}
