import Diagnostics
import Foundation
import Testing

@testable import Tensors

/// A directory that goes away with the test.
final class Scratch {
  let path: String

  init() throws {
    let url = FileManager.default.temporaryDirectory.appending(path: "rephase-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }
}

enum Python {
  /// The interpreter of REPHASE_PYTHON, else of the path.
  static let command =
    ProcessInfo.processInfo.environment["REPHASE_PYTHON"].map { [$0] } ?? [
      "/usr/bin/env", "python3",
    ]

  static let hasNumPy = (try? run("import numpy")) != nil

  struct Failure: Error { let output: String }

  /// Runs a script and returns what it prints; throws where it fails.
  @discardableResult
  static func run(_ script: String, _ arguments: [String] = []) throws -> String {
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
func message(_ body: () throws(Diagnostic) -> Void) -> String? {
  do throws(Diagnostic) {
    try body()
    return nil
  } catch {
    return error.message
  }
}

let here = SourceLocation(file: "test")

/// An .npy file of a version, with this header text, padded as NumPy does, and data.
func npyBytes(_ header: String, _ data: [UInt8], version: UInt8 = 1) -> [UInt8] {
  let text = Array(header.utf8) + [10]
  var bytes = NpyFile.magic + [version, 0]
  RawValues.append(UInt64(text.count), size: version == 1 ? 2 : 4, to: &bytes)
  return bytes + text + data
}

/// A safetensors file with this header text and data.
func safetensorsBytes(_ header: String, _ data: [UInt8] = []) -> [UInt8] {
  var bytes: [UInt8] = []
  RawValues.append(UInt64(header.utf8.count), size: 8, to: &bytes)
  return bytes + Array(header.utf8) + data
}
