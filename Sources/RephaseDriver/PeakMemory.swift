import Foundation

/// The most memory that this process has had resident so far.
enum PeakMemory {
  /// In bytes, from `VmHWM` of /proc/self/status (proc(5)); nil where the system does not say.
  static var bytes: Int? {
    let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = status?.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    let number = line?.split(whereSeparator: \.isWhitespace).dropFirst().first
    return number.flatMap { Int($0) }.map { $0 * 1024 }
  }
}
