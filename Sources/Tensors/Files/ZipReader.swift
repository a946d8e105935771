import CZlib
import Diagnostics

/// One file inside a zip archive, as the central directory describes it.
struct ZipEntry: Sendable {
  var name: String
  var method: Int
  var checksum: UInt32
  var compressedSize: Int
  var size: Int
  var headerOffset: Int
}

/// The files of a zip archive in memory: stored or deflated, with zip64 sizes, not encrypted.
///
/// Format: PKWARE APPNOTE 6.3.
struct ZipReader: Sendable {
  /// In the order of the central directory.
  let entries: [ZipEntry]
  private let bytes: [UInt8]
  private let place: SourceLocation

  private static let maximumEntries = 1 << 16
  /// Deflate cannot shrink data by more than this factor (zlib's technical details).
  private static let maximumRatio = 1032

  static func isZip(_ bytes: [UInt8]) -> Bool {
    bytes.starts(with: [0x50, 0x4B, 3, 4]) || bytes.starts(with: [0x50, 0x4B, 5, 6])
  }

  /// Reads the directory; throws where it is malformed, points outside the file, or names a file twice.
  init(_ bytes: [UInt8], at place: SourceLocation) throws(Diagnostic) {
    self.bytes = bytes
    self.place = place
    var directory = ZipDirectory(bytes: bytes, place: place)
    entries = try directory.read(maximumEntries: Self.maximumEntries)
  }

  /// The content of one file, at most `limit` bytes; its checksum is verified.
  func content(of entry: ZipEntry, limit: Int) throws(Diagnostic) -> [UInt8] {
    guard entry.size <= limit else {
      throw Diagnostic(
        "'\(entry.name)' declares \(entry.size) bytes, more than the \(limit) that are read",
        at: place)
    }
    let data = try packed(entry)
    let content: [UInt8]
    switch entry.method {
    case 0:
      guard entry.size == entry.compressedSize else { throw damaged(entry, "its sizes differ") }
      content = Array(data)
    case 8:
      guard entry.size / Self.maximumRatio <= data.count else {
        throw damaged(entry, "it declares more than its data can unpack to")
      }
      content = try inflated(data, entry)
    default:
      throw Diagnostic(
        "'\(entry.name)' is packed with method \(entry.method), which is not read", at: place,
        help: "use numpy.savez or numpy.savez_compressed")
    }
    let checksum = Zlib.checksum(content)
    guard checksum == entry.checksum else { throw damaged(entry, "its checksum is wrong") }
    return content
  }

  /// The packed bytes, found through the local header.
  private func packed(_ entry: ZipEntry) throws(Diagnostic) -> ArraySlice<UInt8> {
    let start = entry.headerOffset
    guard RawValues.integer(bytes, at: start, size: 4) == 0x0403_4B50,
      let nameLength = RawValues.integer(bytes, at: start + 26, size: 2),
      let extraLength = RawValues.integer(bytes, at: start + 28, size: 2)
    else { throw damaged(entry, "its local header is not where the directory says") }
    let data = start + 30 + Int(nameLength) + Int(extraLength)
    guard data <= bytes.count, entry.compressedSize <= bytes.count - data else {
      throw damaged(entry, "its data runs past the end of the file")
    }
    return bytes[data..<data + entry.compressedSize]
  }

  private func inflated(
    _ data: ArraySlice<UInt8>, _ entry: ZipEntry
  ) throws(Diagnostic) -> [UInt8] {
    guard let content = Zlib.inflate(data, size: entry.size) else {
      throw damaged(entry, "its packed data is not what its declared size and format say")
    }
    return content
  }

  private func damaged(_ entry: ZipEntry, _ why: String) -> Diagnostic {
    Diagnostic(
      "'\(entry.name)' in the archive is damaged: \(why)", at: place,
      help: "copy or write the file again")
  }
}

/// A cursor over the central directory.
private struct ZipDirectory {
  let bytes: [UInt8]
  let place: SourceLocation

  private struct Extent {
    var count: Int
    var offset: Int
    var size: Int
  }

  mutating func read(maximumEntries: Int) throws(Diagnostic) -> [ZipEntry] {
    let extent = try locate()
    guard extent.count <= maximumEntries, extent.offset <= bytes.count,
      extent.size <= bytes.count - extent.offset, extent.count <= extent.size / 46
    else { throw malformed("its directory lies outside the file") }
    var entries: [ZipEntry] = []
    var names: Set<String> = []
    var position = extent.offset
    for _ in 0..<extent.count {
      let entry = try self.entry(&position)
      guard names.insert(entry.name).inserted else {
        throw malformed("'\(entry.name)' stands twice in it")
      }
      entries.append(entry)
    }
    return entries
  }

  /// Finds the end record, which a comment of up to 65,535 bytes may follow, and its zip64 form.
  private func locate() throws(Diagnostic) -> Extent {
    var end = bytes.count - 22
    let lowest = max(0, end - 65_535)
    while end >= lowest {
      if number(end, 4) == 0x0605_4B50, number(end + 20, 2) == bytes.count - end - 22 { break }
      end -= 1
    }
    guard end >= lowest, end >= 0 else {
      throw malformed("its end record is missing; the file was cut off")
    }
    guard number(end + 4, 2) == 0, number(end + 6, 2) == 0 else {
      throw malformed("it spans several disks")
    }
    let extent = Extent(
      count: number(end + 10, 2), offset: number(end + 16, 4), size: number(end + 12, 4))
    guard extent.count == 0xFFFF || extent.offset == 0xFFFF_FFFF || extent.size == 0xFFFF_FFFF
    else { return extent }
    guard number(end - 20, 4) == 0x0706_4B50 else { return extent }
    let wide = number(end - 12, 8)
    guard number(wide, 4) == 0x0606_4B50 else {
      throw malformed("its zip64 end record is not where it should be")
    }
    return Extent(
      count: number(wide + 32, 8), offset: number(wide + 48, 8), size: number(wide + 40, 8))
  }

  private func entry(_ position: inout Int) throws(Diagnostic) -> ZipEntry {
    let start = position
    guard number(start, 4) == 0x0201_4B50, start <= bytes.count - 46 else {
      throw malformed("a directory entry is not where it should be")
    }
    let nameLength = number(start + 28, 2)
    let extraLength = number(start + 30, 2)
    let next = start + 46 + nameLength + extraLength + number(start + 32, 2)
    guard next <= bytes.count else { throw malformed("a directory entry runs past the end") }
    let nameBytes = bytes[start + 46..<start + 46 + nameLength]
    guard let name = String(validating: nameBytes, as: UTF8.self) else {
      throw malformed("the name of a file in it is not UTF-8")
    }
    guard number(start + 8, 2) & 1 == 0 else {
      throw Diagnostic("'\(name)' in the archive is encrypted", at: place)
    }
    var entry = ZipEntry(
      name: name, method: number(start + 10, 2), checksum: UInt32(number(start + 16, 4)),
      compressedSize: number(start + 20, 4), size: number(start + 24, 4),
      headerOffset: number(start + 42, 4))
    widen(&entry, extra: start + 46 + nameLength, length: extraLength)
    guard entry.size >= 0, entry.compressedSize >= 0, entry.headerOffset >= 0 else {
      throw malformed("a size in its directory is too large")
    }
    position = next
    return entry
  }

  /// Takes the 64-bit sizes and offset from the zip64 extra field (id 1), for those that say 0xFFFFFFFF.
  private func widen(_ entry: inout ZipEntry, extra: Int, length: Int) {
    var position = extra
    while position + 4 <= extra + length {
      let size = number(position + 2, 2)
      let end = min(position + 4 + size, extra + length)
      if number(position, 2) == 1 {
        var field = position + 4
        func next(_ value: inout Int) {
          guard value == 0xFFFF_FFFF, field + 8 <= end else { return }
          value = number(field, 8)
          field += 8
        }
        next(&entry.size)
        next(&entry.compressedSize)
        next(&entry.headerOffset)
        return
      }
      position += 4 + size
    }
  }

  /// A little-endian number; -1 past the end of the file, or where it does not fit.
  private func number(_ offset: Int, _ size: Int) -> Int {
    guard let value = RawValues.integer(bytes, at: offset, size: size) else { return -1 }
    return Int(exactly: value) ?? -1
  }

  private func malformed(_ why: String) -> Diagnostic {
    Diagnostic(
      "the zip archive is malformed: \(why)", at: place, help: "copy or write the file again")
  }
}
