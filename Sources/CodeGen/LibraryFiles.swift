import Diagnostics
import Foundation
import Tensors

/// A folder of its own for intermediate files, deleted with its owner.
public struct WorkFolder: ~Copyable {
  public let url: URL

  private static let help = "make room there, or name another folder by TMPDIR"

  public init() throws(Diagnostic) {
    url = FileManager.default.temporaryDirectory
      .appendingPathComponent("rephase-\(UUID().uuidString)")
    Leftovers.add(url.path)
    do {
      try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    } catch {
      throw Diagnostic(
        "cannot make a temporary folder: \(error.localizedDescription)",
        at: SourceLocation(file: url.path), help: Self.help)
    }
  }

  deinit {
    try? FileManager.default.removeItem(at: url)
    Leftovers.forget(url.path)
  }

  /// The name may lie in a folder, which is made.
  func write(_ name: String, _ bytes: some Sequence<UInt8>) throws(Diagnostic) {
    let file = url.appendingPathComponent(name)
    do {
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(bytes).write(to: file)
    } catch {
      throw Diagnostic(
        "cannot write \(name): \(error.localizedDescription)", at: SourceLocation(file: url.path),
        help: Self.help)
    }
  }
}

/// Puts finished files into a folder: each appears complete, and upon failure nothing half-written stays.
func publish(
  _ files: [String], from folder: URL, to destination: String
) throws(Diagnostic) {
  let target = URL(fileURLWithPath: destination, isDirectory: true)
  let mark = ".\(ProcessInfo.processInfo.processIdentifier).partial"
  let manager = FileManager.default
  func partial(_ name: String) -> URL { target.appendingPathComponent("." + name + mark) }
  do {
    try manager.createDirectory(at: target, withIntermediateDirectories: true)
    for name in files {
      try? manager.removeItem(at: partial(name))
      try manager.moveItem(at: folder.appendingPathComponent(name), to: partial(name))
    }
    for name in files {
      let final = target.appendingPathComponent(name)
      guard rename(partial(name).path, final.path) == 0 else {
        throw Diagnostic("cannot write \(final.path): \(String(cString: strerror(errno)))")
      }
    }
  } catch {
    for name in files { try? manager.removeItem(at: partial(name)) }
    if let diagnostic = error as? Diagnostic { throw diagnostic }
    throw Diagnostic(
      "cannot write the library into \(destination): \(error.localizedDescription)")
  }
}
