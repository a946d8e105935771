import Diagnostics
import Foundation
import Tensors

/// The directory of one training run, held by one process at a time.
///
/// ```
/// RUN/last.safetensors  the weights of the last checkpoint
/// RUN/best.safetensors  those of the epoch with the lowest validation loss (training loss without validation)
/// RUN/checkpoints/      what --resume goes on from
/// RUN/run.json          the settings
/// RUN/epochs.jsonl      the mean losses of each epoch
/// RUN/loss.png          the curve
/// ```
public final class RunDirectory {
  public let path: String
  private let lock: Int32

  /// What a run writes into its directory, but for checkpoints.
  public static func files(of path: String) -> [String] {
    [lastName, bestName, settingsName, epochsName, curveName].map { "\(path)/\($0)" }
  }

  public static let lastName = "last.safetensors"
  private static let bestName = "best.safetensors"
  private static let settingsName = "run.json"
  private static let epochsName = "epochs.jsonl"
  private static let curveName = "loss.png"

  public var last: String { "\(path)/\(Self.lastName)" }
  public var best: String { "\(path)/\(Self.bestName)" }
  var settings: String { "\(path)/\(Self.settingsName)" }
  var epochs: String { "\(path)/\(Self.epochsName)" }
  var curve: String { "\(path)/\(Self.curveName)" }
  var checkpoints: String { path + "/checkpoints" }

  /// Throws where the directory holds something already and the run is not to go on from it.
  public static func check(_ path: String, resumes: Bool) throws(Diagnostic) {
    let place = SourceLocation(file: path)
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else { return }
    guard isDirectory.boolValue,
      let names = try? FileManager.default.contentsOfDirectory(atPath: path)
    else {
      throw Diagnostic(
        "the output is no directory that can be read", at: place, help: "name another with -o")
    }
    let isRun = names.contains(settingsName) || names.contains("checkpoints")
    guard names.isEmpty || (isRun && resumes) else {
      throw Diagnostic(
        isRun ? "a run was started here already" : "the directory holds something already",
        at: place,
        help: isRun
          ? "go on with --resume, or name another directory with -o" : "name another with -o")
    }
  }

  /// Makes the directory where it is missing, and takes hold of it.
  ///
  /// Throws where it cannot be made, or another process trains in it.
  public init(_ path: String) throws(Diagnostic) {
    self.path = path
    let place = SourceLocation(file: path)
    do {
      try FileManager.default.createDirectory(
        atPath: path + "/checkpoints", withIntermediateDirectories: true)
    } catch {
      throw Diagnostic(
        "the directory of the run cannot be made", at: place, help: "check the path and permissions"
      )
    }
    lock = open(path + "/.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard lock >= 0 else {
      throw Diagnostic("nothing can be written to the directory of the run", at: place)
    }
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      throw Diagnostic(
        "another process is training in this directory", at: place,
        help: "wait for it, or name another directory with -o")
    }
    removeLeftovers(in: path)
    removeLeftovers(in: checkpoints)
  }

  deinit {
    // Closing is not enough: a program that another thread starts at this moment has a copy until it runs.
    flock(lock, LOCK_UN)
    close(lock)
  }

  /// Temporary files of a process that was killed; the lock tells that it is gone.
  private func removeLeftovers(in directory: String) {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    for name in names where AtomicFile.isTemporary(name) { unlink("\(directory)/\(name)") }
  }
}
