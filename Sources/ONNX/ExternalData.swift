import Diagnostics
import Foundation
import Tensors

/// Where a tensor lies that is kept in another file (onnx.proto3, `external_data`).
struct ExternalData {
  /// Relative to the folder of the ONNX file.
  private let location: String
  private let offset: Int
  /// Up to the end of the file where nothing is said.
  private let length: Int?

  init(_ entries: [Onnx_StringStringEntryProto]) throws(Diagnostic) {
    func number(_ key: String) throws(Diagnostic) -> Int? {
      guard let entry = entries.first(where: { $0.key == key }) else { return nil }
      guard let value = Int(entry.value), value >= 0 else {
        throw Diagnostic("the \(key) '\(entry.value)' of its external data is no number of bytes")
      }
      return value
    }
    location = entries.first { $0.key == "location" }?.value ?? ""
    offset = try number("offset") ?? 0
    length = try number("length")
  }

  /// Throws where the file lies outside of the folder, also by links, or is shorter.
  func read(beside path: String) throws(Diagnostic) -> [UInt8] {
    let file = try resolved(beside: path)
    let size = try FileBytes.size(file)
    let count = length ?? max(0, size - offset)
    guard offset <= size, count <= size - offset else {
      throw Diagnostic(
        "its data would end behind the end of the file '\(location)'",
        help: "export the network again, and keep its files together")
    }
    return try FileBytes.read(file, from: offset, count: count)
  }

  private func resolved(beside path: String) throws(Diagnostic) -> String {
    let folder = URL(fileURLWithPath: path).resolvingSymlinksInPath().deletingLastPathComponent()
    let file = folder.appendingPathComponent(location).resolvingSymlinksInPath().standardized
    let prefix = folder.path.hasSuffix("/") ? folder.path : folder.path + "/"
    guard !location.isEmpty, !location.hasPrefix("/"), !location.utf8.contains(0),
      !location.split(separator: "/").contains(".."), file.path.hasPrefix(prefix)
    else {
      throw Diagnostic(
        "its data lies in '\(location)', which is not in the folder of the ONNX file",
        help: "keep the files of a network in one folder")
    }
    return file.path
  }
}
