import ArgumentParser
import Diagnostics
import Foundation
import Tensors

/// Where a command writes: a path, or `-` for standard output.
enum Output {
  static func write(_ text: String, to path: String) throws(Diagnostic) {
    try write(Array(text.utf8), to: path)
  }

  static func write(_ bytes: [UInt8], to path: String) throws(Diagnostic) {
    guard path == "-" else { return try AtomicFile.write(bytes, to: path) }
    try finish()
    do { try FileHandle.standardOutput.write(contentsOf: Data(bytes)) } catch {
      throw failure(error.localizedDescription)
    }
  }

  /// Throws where an option names standard output, but what it takes is a file or folder.
  static func refuseStandard(_ path: String?, of option: String) throws(ValidationError) {
    guard path == "-" else { return }
    throw ValidationError("\(option) cannot be standard output (-); give a name such as ./out")
  }

  /// Whether two paths name one file, however they are spelled.
  static func isSame(_ a: String, _ b: String) -> Bool {
    func file(_ path: String) -> URL { URL(fileURLWithPath: path).resolvingSymlinksInPath() }
    return a == b || (a != "-" && b != "-" && file(a) == file(b))
  }

  /// Throws before the work where the output could not be written after it, or is one of the files that are read.
  static func check(_ path: String, against inputs: [String]) throws(Diagnostic) {
    guard path != "-", !path.isEmpty else { return }
    let place = SourceLocation(file: path)
    let url = URL(fileURLWithPath: path).resolvingSymlinksInPath()
    var isFolder: ObjCBool = false
    let isThere = FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder)
    guard !isFolder.boolValue else {
      throw Diagnostic("the output is a directory", at: place, help: "name a file inside it")
    }
    guard !isThere || !inputs.contains(where: { isSame($0, path) }) else {
      throw Diagnostic(
        "the output is one of the files that are read", at: place, help: "name another file")
    }
    // A device may be written where its folder may not.
    let folder = url.deletingLastPathComponent().path
    let places = isThere ? [folder, url.path] : [folder]
    guard !places.contains(where: FileManager.default.isWritableFile) else { return }
    guard FileManager.default.fileExists(atPath: folder) else {
      throw Diagnostic(
        "the directory of the output does not exist", at: place, help: "make the directory first")
    }
    throw Diagnostic("the output may not be written", at: place, help: "check permissions")
  }

  /// Throws where something that was printed could not be written, as on a full disk.
  static func finish() throws(Diagnostic) {
    if fflush(nil) != 0 { throw failure(String(cString: strerror(errno))) }
  }

  private static func failure(_ reason: String) -> Diagnostic {
    Diagnostic("standard output cannot be written: \(reason)")
  }
}
