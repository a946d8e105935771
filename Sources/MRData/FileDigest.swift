import CRephaseRuntime
import Diagnostics
import Foundation
import Tensors

/// SHA-256 of bytes, and of files of any size, as lower-case hexadecimal digits.
public enum FileDigest {
  private static let chunk = 1 << 20

  /// Throws where the file cannot be read.
  public static func sha256(_ path: String) throws(Diagnostic) -> String {
    _ = try FileBytes.size(path)
    guard let file = FileHandle(forReadingAtPath: path) else {
      throw Diagnostic("the file cannot be read", at: SourceLocation(file: path))
    }
    defer { try? file.close() }
    var state = rephase_sha256_state()
    rephase_sha256_begin(&state)
    do {
      while let part = try file.read(upToCount: chunk), !part.isEmpty {
        part.withUnsafeBytes { rephase_sha256_add(&state, $0.baseAddress, $0.count) }
      }
    } catch {
      throw Diagnostic(
        "the file cannot be read: \(error.localizedDescription)", at: SourceLocation(file: path))
    }
    return digits(&state)
  }

  public static func sha256(_ bytes: [UInt8]) -> String {
    var state = rephase_sha256_state()
    rephase_sha256_begin(&state)
    rephase_sha256_add(&state, bytes, bytes.count)
    return digits(&state)
  }

  private static func digits(_ state: inout rephase_sha256_state) -> String {
    var digest = [UInt8](repeating: 0, count: Int(REPHASE_SHA256_BYTES))
    rephase_sha256_end(&state, &digest)
    return digest.map { String(format: "%02x", $0) }.joined()
  }
}
