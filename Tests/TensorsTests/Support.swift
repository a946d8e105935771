import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Tensors

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
