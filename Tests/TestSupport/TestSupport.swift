import Diagnostics
import Foundation
import Testing

/// A directory that goes away with the test.
public final class Scratch {
  public let path: String

  public init() throws {
    let url = FileManager.default.temporaryDirectory.appending(path: "rephase-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  public func file(_ name: String) -> String { path + "/" + name }
}

/// Copies of this process's descriptors of files in a folder, as a program has them that starts at this moment.
public final class DescriptorCopies {
  public let descriptors: [Int32]

  public init(ofFilesIn folder: String) throws {
    let open = "/proc/self/fd"
    let names = try FileManager.default.contentsOfDirectory(atPath: open)
    descriptors = names.filter {
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(open)/\($0)"))?
        .hasPrefix(folder) == true
    }.compactMap { Int32($0).map { dup($0) } }
  }

  deinit { for descriptor in descriptors { close(descriptor) } }
}

public enum Python {
  /// The interpreter of REPHASE_PYTHON, else of the path.
  public static let command =
    ProcessInfo.processInfo.environment["REPHASE_PYTHON"].map { [$0] } ?? [
      "/usr/bin/env", "python3",
    ]

  public static let hasNumPy = (try? run("import numpy")) != nil

  public struct Failure: Error {
    public let output: String

    public init(output: String) { self.output = output }
  }

  /// Runs a script and returns what it prints; throws where it fails.
  @discardableResult
  public static func run(_ script: String, _ arguments: [String] = []) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: command[0])
    process.arguments = command.dropFirst() + ["-c", script] + arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let output = String(decoding: data, as: UTF8.self)
    if process.terminationStatus != 0 { throw Failure(output: output) }
    return output
  }
}

/// The message that `body` fails with; nil where it does not fail.
public func message(_ body: () throws(Diagnostic) -> Void) -> String? {
  do throws(Diagnostic) {
    try body()
    return nil
  } catch {
    return error.message
  }
}

/// Real data that is not part of the project; tests that need it are skipped without it.
public enum SharedData {
  public static let folder: String? = {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let path =
      ProcessInfo.processInfo.environment["REPHASE_SHARED_DATA"]
      ?? root.deletingLastPathComponent().appending(path: "shared/data").path
    return FileManager.default.fileExists(atPath: path + "/scd_cine") ? path : nil
  }()

  public static func file(_ name: String) throws -> String { try #require(folder) + "/" + name }
}
