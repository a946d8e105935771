import ComplexModule
import Diagnostics
import Foundation
import RealModule
import Tensors
import Testing

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

/// Real data that is not part of the project; tests that need it are skipped without it.
enum SharedData {
  static let folder: String? = {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let path =
      ProcessInfo.processInfo.environment["REPHASE_SHARED_DATA"]
      ?? root.deletingLastPathComponent().appending(path: "shared/data").path
    return FileManager.default.fileExists(atPath: path + "/scd_cine") ? path : nil
  }()

  static func file(_ name: String) throws -> String { try #require(folder) + "/" + name }
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

/// The greatest difference over the greatest reference.
func maximumError(_ values: [Float], _ reference: [Float]) -> Float {
  guard values.count == reference.count else { return .infinity }
  let error = zip(values, reference).reduce(0) { max($0, abs($1.0 - $1.1)) }
  return error / reference.reduce(0) { max($0, abs($1)) }
}

/// Repeatable numbers in -1..<1.
func ramp(_ count: Int) -> [Double] {
  (0..<count).map { (index: Int) -> Double in
    let step = (index * 7919 + 13) % 1009
    return Double(step) / 504.5 - 1
  }
}

func complexRamp(_ extents: [Int]) throws -> Tensor<Complex<Double>> {
  let shape = try Shape(extents)
  let parts = ramp(2 * shape.elementCount)
  return try Tensor(
    shape, (0..<shape.elementCount).map { Complex(parts[2 * $0], parts[2 * $0 + 1]) })
}
