import CZlib

/// Raw deflate streams, gzip files and CRC-32, by zlib.
public enum Zlib {
  private static let chunk = 1 << 20

  static func checksum(_ bytes: [UInt8]) -> UInt32 {
    bytes.withUnsafeBytes { buffer in
      let base = buffer.bindMemory(to: Bytef.self).baseAddress
      return UInt32(truncatingIfNeeded: crc32_z(0, base, buffer.count))
    }
  }

  /// The `size` bytes that `data` unpacks to; nil where it is damaged or holds more or fewer.
  ///
  /// Memory grows with what really comes out, so that a false size cannot claim it.
  static func inflate(_ data: ArraySlice<UInt8>, size: Int) -> [UInt8]? {
    var stream = z_stream()
    guard
      inflateInit2_(&stream, -MAX_WBITS, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
    else { return nil }
    defer { inflateEnd(&stream) }
    var result: [UInt8] = []
    result.reserveCapacity(min(size, 8 * data.count))
    var buffer = [UInt8](repeating: 0, count: min(chunk, size + 1))
    var source = data.startIndex
    var status = Z_OK
    repeat {
      let end = min(source + chunk, data.endIndex)
      let (code, used, made) = step(&stream, data[source..<end], &buffer, CZlib.inflate)
      status = code
      source += used
      guard result.count + made <= size else { return nil }
      result.append(contentsOf: buffer[..<made])
      if used == 0, made == 0, status != Z_STREAM_END { return nil }
    } while status == Z_OK
    return status == Z_STREAM_END && source == data.endIndex && result.count == size ? result : nil
  }

  /// Formats with a header and a checksum of their own around deflated data.
  public enum Wrapping: Sendable {
    case zlib, gzip

    fileprivate var windowBits: Int32 { self == .zlib ? MAX_WBITS : 16 + MAX_WBITS }
  }

  /// Whether `bytes` begin as a gzip file does.
  public static func isGzip(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0x1F, 0x8B]) }

  /// The first `count` bytes that `data` unpacks to, fewer where it holds fewer; nil where it is damaged or cut off.
  ///
  /// What follows is unpacked too, to look at the checksum, but not kept; with `isPrefix`, nothing after the bytes asked
  /// for is looked at.
  public static func unpack(
    _ data: ArraySlice<UInt8>, _ wrapping: Wrapping, keeping count: Int, isPrefix: Bool = false
  ) -> [UInt8]? {
    var stream = z_stream()
    guard
      inflateInit2_(
        &stream, wrapping.windowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
    else { return nil }
    defer { inflateEnd(&stream) }
    var result: [UInt8] = []
    result.reserveCapacity(min(count, 8 * data.count))
    var buffer = [UInt8](repeating: 0, count: chunk)
    var source = data.startIndex
    while true {
      let end = min(source + chunk, data.endIndex)
      let (status, used, made) = step(&stream, data[source..<end], &buffer, CZlib.inflate)
      source += used
      result.append(contentsOf: buffer[..<min(made, count - result.count)])
      if isPrefix, result.count == count { return result }
      if status == Z_STREAM_END { return result }
      guard status == Z_OK, used > 0 || made > 0 else { return nil }
    }
  }

  /// The deflated form of `data` at zlib's default level; nil only where zlib has no memory.
  static func deflate(_ data: [UInt8]) -> [UInt8]? { deflate(data, windowBits: -MAX_WBITS) }

  /// `data` as a gzip file without name or time; nil only where zlib has no memory.
  public static func gzip(_ data: [UInt8]) -> [UInt8]? {
    deflate(data, windowBits: 16 + MAX_WBITS)
  }

  private static func deflate(_ data: [UInt8], windowBits: Int32) -> [UInt8]? {
    var stream = z_stream()
    let opened = deflateInit2_(
      &stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, windowBits, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
      Int32(MemoryLayout<z_stream>.size))
    guard opened == Z_OK else { return nil }
    defer { deflateEnd(&stream) }
    var result: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: chunk)
    var source = 0
    var status = Z_OK
    repeat {
      let end = min(source + chunk, data.count)
      let flush = end == data.count ? Z_FINISH : Z_NO_FLUSH
      let (code, used, made) = step(&stream, data[source..<end], &buffer) { stream, _ in
        CZlib.deflate(stream, flush)
      }
      status = code
      source += used
      result.append(contentsOf: buffer[..<made])
    } while status == Z_OK || status == Z_BUF_ERROR
    return status == Z_STREAM_END ? result : nil
  }

  /// One call of zlib over a piece of input and one output buffer.
  private static func step(
    _ stream: inout z_stream, _ input: ArraySlice<UInt8>, _ output: inout [UInt8],
    _ call: (UnsafeMutablePointer<z_stream>, Int32) -> Int32
  ) -> (status: Int32, used: Int, made: Int) {
    input.withUnsafeBufferPointer { source in
      output.withUnsafeMutableBufferPointer { sink in
        stream.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
        stream.avail_in = UInt32(source.count)
        stream.next_out = sink.baseAddress
        stream.avail_out = UInt32(sink.count)
        let status = call(&stream, Z_NO_FLUSH)
        return (
          status, source.count - Int(stream.avail_in), sink.count - Int(stream.avail_out)
        )
      }
    }
  }
}
