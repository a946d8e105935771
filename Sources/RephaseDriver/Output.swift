import Diagnostics
import Foundation
import Tensors

/// Where a command writes: a path, or `-` for standard output.
enum Output {
  static func write(_ text: String, to path: String) throws(Diagnostic) {
    guard path == "-" else { return try AtomicFile.write(text, to: path) }
    try finish()
    do { try FileHandle.standardOutput.write(contentsOf: Data(text.utf8)) } catch {
      throw failure(error.localizedDescription)
    }
  }

  /// Throws where something that was printed could not be written, as on a full disk.
  static func finish() throws(Diagnostic) {
    if fflush(nil) != 0 { throw failure(String(cString: strerror(errno))) }
  }

  private static func failure(_ reason: String) -> Diagnostic {
    Diagnostic("standard output cannot be written: \(reason)")
  }
}
