import Diagnostics

/// Builds a zip archive in memory; every file carries the date 1 January 1980, so that equal content gives equal bytes.
///
/// Format: PKWARE APPNOTE 6.3, with zip64 records where a size needs them.
struct ZipWriter {
  private var bytes: [UInt8] = []
  private var entries: [ZipEntry] = []
  private static let wide = 0xFFFF_FFFF

  /// Adds a file, deflated where asked; throws only where zlib has no memory.
  mutating func add(_ name: String, _ content: [UInt8], deflating: Bool) throws(Diagnostic) {
    var packed = content
    if deflating {
      guard let smaller = Zlib.deflate(content) else {
        throw Diagnostic("'\(name)' cannot be packed: zlib has no memory")
      }
      packed = smaller
    }
    let entry = ZipEntry(
      name: name, method: deflating ? 8 : 0, checksum: Zlib.checksum(content),
      compressedSize: packed.count, size: content.count, headerOffset: bytes.count)
    let isWide = max(entry.size, entry.compressedSize) >= Self.wide
    put(0x0403_4B50, 4)
    putCommon(entry, isWide: isWide, extraLength: isWide ? 20 : 0)
    bytes += Array(name.utf8)
    if isWide { putExtra([entry.size, entry.compressedSize]) }
    bytes += packed
    entries.append(entry)
  }

  /// The whole archive.
  mutating func finish() -> [UInt8] {
    let start = bytes.count
    for entry in entries { putDirectoryEntry(entry) }
    let size = bytes.count - start
    if entries.count >= 0xFFFF || start >= Self.wide { putWideEnd(start: start, size: size) }
    put(0x0605_4B50, 4)
    put(0, 4)
    put(min(entries.count, 0xFFFF), 2)
    put(min(entries.count, 0xFFFF), 2)
    put(min(size, Self.wide), 4)
    put(min(start, Self.wide), 4)
    put(0, 2)
    return bytes
  }

  private mutating func putDirectoryEntry(_ entry: ZipEntry) {
    let isWide = max(entry.size, entry.compressedSize, entry.headerOffset) >= Self.wide
    put(0x0201_4B50, 4)
    put(45, 2)
    putCommon(entry, isWide: isWide, extraLength: isWide ? 28 : 0)
    put(0, 2 + 2 + 2)
    put(0, 4)
    put(isWide ? Self.wide : entry.headerOffset, 4)
    bytes += Array(entry.name.utf8)
    if isWide { putExtra([entry.size, entry.compressedSize, entry.headerOffset]) }
  }

  /// What local headers and directory entries share: version to extra field length.
  private mutating func putCommon(_ entry: ZipEntry, isWide: Bool, extraLength: Int) {
    put(45, 2)
    put(0x0800, 2)  // names are UTF-8
    put(entry.method, 2)
    put(0, 2)
    put(0x0021, 2)  // 1 January 1980
    put(Int(entry.checksum), 4)
    put(isWide ? Self.wide : entry.compressedSize, 4)
    put(isWide ? Self.wide : entry.size, 4)
    put(entry.name.utf8.count, 2)
    put(extraLength, 2)
  }

  private mutating func putExtra(_ values: [Int]) {
    put(1, 2)
    put(8 * values.count, 2)
    for value in values { put(value, 8) }
  }

  private mutating func putWideEnd(start: Int, size: Int) {
    let end = bytes.count
    put(0x0606_4B50, 4)
    put(44, 8)
    put(45, 2)
    put(45, 2)
    put(0, 4 + 4)
    put(entries.count, 8)
    put(entries.count, 8)
    put(size, 8)
    put(start, 8)
    put(0x0706_4B50, 4)
    put(0, 4)
    put(end, 8)
    put(1, 4)
  }

  private mutating func put(_ value: Int, _ size: Int) {
    RawValues.append(UInt64(value), size: size, to: &bytes)
  }
}
