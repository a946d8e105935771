import ComplexModule
import Diagnostics
import Foundation
import RealModule
import Tensors

/// Arrays of the Berkeley Advanced Reconstruction Toolbox: a text header NAME.hdr and complex float32 values in NAME.cfl,
/// first dimension fastest.
///
/// Format and meaning of the dimensions: BART's src/misc/io.c and src/misc/mri.h.
enum BARTFile {
  struct Header {
    let valuesPath: String
    let extents: [Int]
  }

  private static let names: [Int: Axis] = [
    0: .row, 1: .column, 2: .partition, 3: .coil, 5: .contrast, 10: .frame, 11: .repetition,
    13: .slice, 14: .set,
  ]

  /// The header that belongs to `path`, which may name either file or both without extension; nil where there is none.
  static func header(of path: String) -> Header? {
    let url = URL(fileURLWithPath: path)
    let hasExtension = ["hdr", "cfl"].contains(url.pathExtension)
    let base = hasExtension ? String(path.dropLast(4)) : path
    guard let bytes = try? FileBytes.read(base + ".hdr", limit: 1 << 20),
      bytes.starts(with: "# Dimensions".utf8)
    else { return nil }
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    let words = lines.count > 1 ? lines[1].split(separator: " ") : []
    return Header(valuesPath: base + ".cfl", extents: words.map { Int($0) ?? 0 })
  }

  /// Throws where header and values do not agree, or dimensions are used that scans do not have.
  static func read(_ header: Header) throws(Diagnostic) -> FileArray {
    let place = SourceLocation(file: header.valuesPath)
    var (axes, extents): ([Axis], [Int]) = ([], [])
    for (index, extent) in header.extents.enumerated() {
      guard extent > 0, index < 16 else {
        throw Diagnostic(
          "the dimensions in the .hdr are not positive numbers", at: place,
          help: "write the array again with BART")
      }
      guard extent > 1 || index < 2 else { continue }
      guard let axis = names[index] else {
        throw Diagnostic(
          "BART dimension \(index) has extent \(extent), but scans have none such", at: place,
          help: "take one part of it with 'bart slice' first")
      }
      axes.append(axis)
      extents.append(extent)
    }
    guard extents.count >= 2 else {
      throw Diagnostic("the .hdr names no dimensions", at: place, help: "write it again with BART")
    }
    let shape = try Shape(extents.reversed())
    return FileArray(
      tensor: try tensor(header.valuesPath, shape), axes: axes, isFirstFastest: true)
  }

  /// Values whose imaginary parts are all zero and whose real parts are not negative (but for rounding) are magnitudes:
  /// BART has no real type.
  private static func tensor(_ path: String, _ shape: Shape) throws(Diagnostic) -> AnyTensor {
    let size = try FileBytes.size(path)
    guard size == 8 * shape.elementCount else {
      throw Diagnostic(
        "the .hdr asks for \(8 * shape.elementCount) bytes, but the .cfl has \(size)",
        at: SourceLocation(file: path), help: "the file is damaged or was cut off; copy it again")
    }
    let values = RawValues.decodeComplex(try FileBytes.read(path)[...], as: Float.self)
    let greatest = values.reduce(0) { max($0, $1.real) }
    guard greatest > 0, values.allSatisfy({ $0.imaginary == 0 && $0.real >= -1e-6 * greatest })
    else { return .complex64(try Tensor(shape, values)) }
    return .float32(try Tensor(shape, values.map { max(0, $0.real) }))
  }
}
