import Diagnostics
import Foundation

/// A program of the system's C tool chain.
struct Tool {
  private let executable: URL
  private let name: String

  /// Finds it on the search path; throws, with the remedy, where it is missing.
  init(_ name: String) throws(Diagnostic) {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(
      separator: ":")
    let found = folders.lazy.map { "\($0)/\(name)" }.first {
      FileManager.default.isExecutableFile(atPath: $0)
    }
    guard let found else {
      throw Diagnostic(
        "compiling a library needs the program '\(name)', which is not installed",
        help: "install a C compiler and binutils: apt-get install gcc binutils")
    }
    executable = URL(fileURLWithPath: found)
    self.name = name
  }

  /// Runs it in a folder; throws what it wrote to standard error where it fails.
  func run(_ arguments: [String], in folder: URL) throws(Diagnostic) {
    let process = Process()
    process.executableURL = executable
    process.arguments = arguments
    process.currentDirectoryURL = folder
    // Messages in English, no date in anything, no flags from the user's shell.
    process.environment = [
      "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin", "LC_ALL": "C",
      "SOURCE_DATE_EPOCH": "0", "TMPDIR": folder.path,
    ]
    let errors = Pipe()
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
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
        "'\(name)' failed while making the library", notes: lines.prefix(20).map(String.init))
    }
  }
}
