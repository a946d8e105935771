import Foundation

/// Just enough of the ELF format (System V gABI, 64 bits, little-endian) to tell a file that was cut.
enum ElfFile {
  /// Whether every segment lies within the file: the system maps segments unchecked, and a page past the file's end
  /// is a bus error on its first use.
  static func isComplete(_ data: Data) -> Bool {
    guard data.count >= 64, let start = integer(data, at: 32, size: 8),
      let entry = integer(data, at: 54, size: 2), let count = integer(data, at: 56, size: 2),
      entry >= 56, count > 0
    else { return false }
    for number in 0..<count {
      let (header, overflow) = start.addingReportingOverflow(number * entry)
      guard !overflow, let offset = integer(data, at: header &+ 8, size: 8),
        let size = integer(data, at: header &+ 32, size: 8)
      else { return false }
      let (end, endOverflow) = offset.addingReportingOverflow(size)
      guard !endOverflow, end <= data.count else { return false }
    }
    return true
  }

  /// Nil where it lies outside the file or does not fit.
  private static func integer(_ data: Data, at offset: Int, size: Int) -> Int? {
    guard offset >= 0, offset <= data.count - size else { return nil }
    var value: UInt64 = 0
    for position in (0..<size).reversed() { value = value << 8 | UInt64(data[offset + position]) }
    return Int(exactly: value)
  }
}
