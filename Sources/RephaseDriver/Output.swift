import Diagnostics
import Foundation
import Tensors

/// Where a command writes: a path, or `-` for standard output.
enum Output {
  static func write(_ text: String, to path: String) throws(Diagnostic) {
    if path == "-" {
      FileHandle.standardOutput.write(Data(text.utf8))
    } else {
      try AtomicFile.write(text, to: path)
    }
  }
}
