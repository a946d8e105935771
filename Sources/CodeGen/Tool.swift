import Diagnostics
import Foundation

/// A program of the system's C tool chain.
struct Tool {
  private let executable: URL
  private let name: String

  /// Finds it on the search path, or takes a path; throws, with the remedy, where it is missing.
  init(
    _ name: String,
    help: String = "install a C compiler and binutils: apt-get install gcc binutils"
  ) throws(Diagnostic) {
    guard let found = Self.path(of: name) else {
      throw Diagnostic(
        "compiling a library needs the program '\(name)', which is not installed", help: help)
    }
    executable = URL(fileURLWithPath: found)
    self.name = name
  }

  static func isInstalled(_ name: String) -> Bool { path(of: name) != nil }

  private static func path(of name: String) -> String? {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(
      separator: ":")
    let candidates = name.contains("/") ? [name] : folders.map { "\($0)/\(name)" }
    return candidates.first { path in
      var isFolder: ObjCBool = false
      return FileManager.default.isExecutableFile(atPath: path)
        && FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
        && !isFolder.boolValue
    }
  }

  /// Runs it in a folder and gives back its standard output; throws its standard error where it fails.
  @discardableResult
  func run(_ arguments: [String], in folder: URL) throws(Diagnostic) -> String {
    let process = Process()
    process.executableURL = executable
    process.arguments = arguments
    process.currentDirectoryURL = folder
    // Messages in English, no date in anything, no flags from the user's shell.
    process.environment = [
      "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin", "LC_ALL": "C",
      "SOURCE_DATE_EPOCH": "0", "TMPDIR": folder.path,
    ]
    let (errors, output) = (Pipe(), folder.appendingPathComponent("output"))
    _ = FileManager.default.createFile(atPath: output.path, contents: nil)
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle(forWritingAtPath: output.path)
    process.standardError = errors
    do {
      try process.run()
    } catch {
      throw Diagnostic("cannot start '\(name)': \(error.localizedDescription)")
    }
    let text = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationReason == .exit, process.terminationStatus == 0 else {
      let lines = String(decoding: text.prefix(4000), as: UTF8.self).split(separator: "\n")
      throw Diagnostic(
        "'\(name)' failed while making the library",
        help: "run '\(name) --version': is it the program that is meant?",
        notes: lines.prefix(20).map(String.init))
    }
    return (try? String(contentsOf: output, encoding: .utf8)) ?? ""
  }
}
