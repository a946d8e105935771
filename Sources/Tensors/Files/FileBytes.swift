import Diagnostics
import Foundation

/// Whole files as bytes.
public enum FileBytes {
  /// 8 GiB: a bound on what one read may take from memory.
  public static let defaultLimit = 8 << 30

  /// The content of a regular file of at most `limit` bytes.
  ///
  /// Throws where the file is missing, not a regular file, not readable, or longer than `limit`.
  public static func read(
    _ path: String, limit: Int = defaultLimit
  ) throws(Diagnostic) -> [UInt8] {
    let place = SourceLocation(file: path)
    let descriptor = try openRegular(path)
    defer { close(descriptor) }
    let size = try size(descriptor, at: place)
    guard size <= limit else {
      throw Diagnostic(
        "the file has \(size) bytes, more than the \(limit) that are read", at: place,
        help: "check that this is the file you mean")
    }
    return try readAll(descriptor, size: size, at: place)
  }

  /// The first bytes of a regular file: `count`, or all where it is shorter.
  public static func prefix(_ path: String, _ count: Int) throws(Diagnostic) -> [UInt8] {
    let place = SourceLocation(file: path)
    let descriptor = try openRegular(path)
    defer { close(descriptor) }
    return try readAll(descriptor, size: min(count, try size(descriptor, at: place)), at: place)
  }

  /// `count` bytes of a regular file, from the one at `offset` on.
  ///
  /// Throws, before it allocates, where the file ends earlier.
  public static func read(
    _ path: String, from offset: Int, count: Int
  ) throws(Diagnostic) -> [UInt8] {
    let place = SourceLocation(file: path)
    let descriptor = try openRegular(path)
    defer { close(descriptor) }
    let size = try size(descriptor, at: place)
    guard offset >= 0, count >= 0, offset <= size, count <= size - offset else {
      throw Diagnostic("the file has \(size) bytes, fewer than are meant to be read", at: place)
    }
    guard lseek(descriptor, off_t(offset), SEEK_SET) == off_t(offset) else {
      throw cannotRead(place, errno)
    }
    return try readAll(descriptor, size: count, at: place)
  }

  /// The size of a regular file that may be read, in bytes.
  public static func size(_ path: String) throws(Diagnostic) -> Int {
    let descriptor = try openRegular(path)
    defer { close(descriptor) }
    return try size(descriptor, at: SourceLocation(file: path))
  }

  private static func openRegular(_ path: String) throws(Diagnostic) -> Int32 {
    guard !path.utf8.contains(0), !path.isEmpty else {
      throw Diagnostic("an empty name, or one with a zero byte, is no file name")
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw cannotRead(SourceLocation(file: path), errno) }
    return descriptor
  }

  private static func size(
    _ descriptor: Int32, at place: SourceLocation
  ) throws(Diagnostic) -> Int {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw cannotRead(place, errno) }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return Int(status.st_size)
    case S_IFDIR:
      throw Diagnostic("this is a directory, not a file", at: place, help: "name a file inside it")
    default:
      throw Diagnostic(
        "this is not a regular file", at: place, help: "write the data to a file first")
    }
  }

  private static func readAll(
    _ descriptor: Int32, size: Int, at place: SourceLocation
  ) throws(Diagnostic) -> [UInt8] {
    var failure: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      guard let base = buffer.baseAddress else { return }
      while count < size {
        let got = Foundation.read(descriptor, base + count, size - count)
        if got < 0, errno == EINTR { continue }
        if got < 0 { failure = errno }
        if got <= 0 { return }
        count += got
      }
    }
    guard failure == 0 else { throw cannotRead(place, failure) }
    guard bytes.count == size else {
      throw Diagnostic(
        "the file ended after \(bytes.count) of \(size) bytes while it was read", at: place,
        help: "is another program writing it?")
    }
    return bytes
  }

  private static func cannotRead(_ place: SourceLocation, _ code: Int32) -> Diagnostic {
    switch code {
    case ENOENT, ENOTDIR:
      return Diagnostic("there is no such file", at: place, help: "check the path")
    case EACCES, EPERM:
      return Diagnostic("the file may not be read", at: place, help: "check its permissions")
    default:
      return Diagnostic("the file cannot be read: \(errorText(code))", at: place)
    }
  }

  static func errorText(_ code: Int32) -> String { String(cString: strerror(code)) }
}
