import Diagnostics
import Foundation
import Synchronization

/// Files that appear complete or not at all.
public enum AtomicFile {
  private static let counter = Atomic<Int>(0)
  private static let prefix = ".rephase-"
  private static let suffix = ".tmp"

  /// Whether a name is one of those that a write has until it is complete; a process that was killed leaves them.
  public static func isTemporary(_ name: String) -> Bool {
    name.hasPrefix(prefix) && name.hasSuffix(suffix)
  }

  /// Writes to a temporary name in the same directory, syncs it to disk, and renames it to `path`.
  ///
  /// A symbolic link is followed, and an existing device or pipe is written straight to.
  /// Throws, and leaves an earlier file of that name as it was, where any step fails.
  public static func write(_ bytes: [UInt8], to path: String) throws(Diagnostic) {
    let place = SourceLocation(file: path)
    guard !path.utf8.contains(0), !path.isEmpty else {
      throw Diagnostic("an empty name, or one with a zero byte, is no file name")
    }
    var status = stat()
    var target = path
    if stat(path, &status) == 0 {
      switch status.st_mode & S_IFMT {
      case S_IFREG: target = resolved(path)
      case S_IFDIR:
        throw Diagnostic(
          "the output is a directory", at: place, help: "name a file inside it")
      default:
        return try writeStraight(bytes, to: path, at: place)
      }
    }
    try writeBeside(bytes, target: target, at: place)
  }

  /// Lets `body` write a temporary file in the same directory, syncs it, and renames it to `path`: for libraries that
  /// write files themselves. Throws, and leaves nothing, where a step fails or `path` is a directory or device.
  public static func write(
    to path: String, _ body: (String) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    let place = SourceLocation(file: path)
    guard !path.utf8.contains(0), !path.isEmpty else {
      throw Diagnostic("an empty name, or one with a zero byte, is no file name")
    }
    var status = stat()
    let isThere = stat(path, &status) == 0
    guard !isThere || status.st_mode & S_IFMT == S_IFREG else {
      throw Diagnostic(
        "the output is not a regular file", at: place, help: "name another file")
    }
    let target = isThere ? resolved(path) : path
    let (directory, temporary) = try temporaryName(beside: target, at: place)
    let descriptor = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw cannotWrite(place, errno) }
    defer { close(descriptor) }
    do throws(Diagnostic) {
      try body(temporary)
      if fsync(descriptor) != 0 || rename(temporary, target) != 0 {
        throw cannotWrite(place, errno)
      }
    } catch {
      unlink(temporary)
      throw error
    }
    syncDirectory(directory)
  }

  public static func write(_ text: String, to path: String) throws(Diagnostic) {
    try write(Array(text.utf8), to: path)
  }

  /// Makes a directory and those above it where they are missing.
  public static func makeDirectory(_ path: String) throws(Diagnostic) {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw Diagnostic(
        "the directory cannot be made", at: SourceLocation(file: path),
        help: "is there a file of that name, or may you not write there?")
    }
  }

  private static func resolved(_ path: String) -> String {
    guard let real = realpath(path, nil) else { return path }
    defer { free(real) }
    return String(cString: real)
  }

  private static func writeStraight(
    _ bytes: [UInt8], to path: String, at place: SourceLocation
  ) throws(Diagnostic) {
    let descriptor = open(path, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw cannotWrite(place, errno) }
    defer { close(descriptor) }
    if let code = writeAll(bytes, to: descriptor) { throw cannotWrite(place, code) }
  }

  private static func writeBeside(
    _ bytes: [UInt8], target: String, at place: SourceLocation
  ) throws(Diagnostic) {
    let (directory, temporary) = try temporaryName(beside: target, at: place)
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw cannotWrite(place, errno) }
    var code = writeAll(bytes, to: descriptor)
    if code == nil, fsync(descriptor) != 0 { code = errno }
    if close(descriptor) != 0, code == nil { code = errno }
    if code == nil, rename(temporary, target) != 0 { code = errno }
    if let code {
      unlink(temporary)
      throw cannotWrite(place, code)
    }
    syncDirectory(directory)
  }

  private static func temporaryName(
    beside target: String, at place: SourceLocation
  ) throws(Diagnostic) -> (directory: String, temporary: String) {
    let slash = target.lastIndex(of: "/")
    let directory = slash.map { String(target[...$0]) } ?? "./"
    let name = slash.map { String(target[target.index(after: $0)...]) } ?? target
    guard !name.isEmpty else {
      throw Diagnostic("the output has no file name", at: place, help: "name a file")
    }
    let number = counter.add(1, ordering: .relaxed).newValue
    return (directory, "\(directory)\(prefix)\(getpid())-\(number)\(suffix)")
  }

  /// Makes the rename itself last; a file system that cannot sync a directory is no error.
  private static func syncDirectory(_ directory: String) {
    let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
  }

  /// Nil, or the error number of the write that failed.
  private static func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Int32? {
    bytes.withUnsafeBytes { buffer in
      guard let base = buffer.baseAddress else { return nil }
      var done = 0
      while done < buffer.count {
        let wrote = Foundation.write(descriptor, base + done, buffer.count - done)
        if wrote < 0, errno == EINTR { continue }
        if wrote < 0 { return errno }
        done += wrote
      }
      return nil
    }
  }

  private static func cannotWrite(_ place: SourceLocation, _ code: Int32) -> Diagnostic {
    switch code {
    case ENOENT, ENOTDIR:
      return Diagnostic(
        "the directory of the output does not exist", at: place, help: "make the directory first")
    case EACCES, EPERM, EROFS:
      return Diagnostic("the output may not be written", at: place, help: "check permissions")
    default:
      return Diagnostic("the output cannot be written: \(FileBytes.errorText(code))", at: place)
    }
  }
}
