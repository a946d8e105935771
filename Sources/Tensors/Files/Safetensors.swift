import Diagnostics
import Foundation

/// Named tensors and text metadata in the safetensors format: the weights of a network.
///
/// Format: huggingface/safetensors, README "Format".
public struct Safetensors: Sendable {
  /// One tensor of a file that was read.
  public struct Entry: Sendable, Hashable {
    public let name: String
    /// As the file spells it: `F32`, `BF16`, `I64`, ...
    public let elementType: String
    public let shape: Shape
    /// Offsets into the whole file.
    let range: Range<Int>
  }

  public let metadata: [String: String]
  /// In the order of their names.
  public let entries: [Entry]
  private let bytes: [UInt8]
  private let path: String

  /// The format's own bound on its header.
  static let maximumHeader = 100_000_000

  public var names: [String] { entries.map(\.name) }

  public static func read(_ path: String) throws(Diagnostic) -> Safetensors {
    try Safetensors(try FileBytes.read(path), path: path)
  }

  /// Checks the whole header; throws where it is malformed or does not describe the data exactly.
  public init(_ bytes: [UInt8], path: String) throws(Diagnostic) {
    let header = try SafetensorsHeader(bytes, at: SourceLocation(file: path))
    self.bytes = bytes
    self.path = path
    metadata = header.metadata
    entries = header.entries
  }

  public func contains(_ name: String) -> Bool { entry(name) != nil }

  public func shape(of name: String) -> Shape? { entry(name)?.shape }

  /// One tensor as float32.
  ///
  /// Throws where there is none of that name, or it is not F32; with `converting`, F64 (rounded), F16 and BF16 are
  /// taken too.
  public func floats(_ name: String, converting: Bool = false) throws(Diagnostic) -> Tensor<Float> {
    let entry = try found(name)
    let data = bytes[entry.range]
    guard entry.elementType == "F32" || converting else {
      throw Diagnostic(
        "the tensor '\(name)' is \(entry.elementType), not F32", at: SourceLocation(file: path),
        help: "convert the weights to float32")
    }
    switch entry.elementType {
    case "F32": return try Tensor(entry.shape, RawValues.decode(data, as: Float.self))
    case "F64":
      return try Tensor(entry.shape, RawValues.decode(data, as: Double.self).map { Float($0) })
    case "F16":
      let halves = RawValues.decode(data, as: UInt16.self)
      return try Tensor(entry.shape, halves.map { Float(Float16(bitPattern: $0)) })
    case "BF16":
      let halves = RawValues.decode(data, as: UInt16.self)
      return try Tensor(entry.shape, halves.map { Float(bitPattern: UInt32($0) << 16) })
    default: throw unsupported(entry)
    }
  }

  /// One tensor in its own element type; F16, BF16 and the unsigned and narrow integers have none here and throw.
  public func tensor(_ name: String) throws(Diagnostic) -> AnyTensor {
    let entry = try found(name)
    let (shape, data) = (entry.shape, bytes[entry.range])
    switch entry.elementType {
    case "F32": return .float32(try Tensor(shape, RawValues.decode(data, as: Float.self)))
    case "F64": return .float64(try Tensor(shape, RawValues.decode(data, as: Double.self)))
    case "I64": return .int64(try Tensor(shape, RawValues.decode(data, as: Int64.self)))
    case "I32": return .int32(try Tensor(shape, RawValues.decode(data, as: Int32.self)))
    case "I16": return .int16(try Tensor(shape, RawValues.decode(data, as: Int16.self)))
    case "U16": return .uint16(try Tensor(shape, RawValues.decode(data, as: UInt16.self)))
    case "U8": return .uint8(try Tensor(shape, Array(data)))
    case "BOOL": return .bool(try Tensor(shape, data.map { $0 != 0 }))
    default: throw unsupported(entry)
    }
  }

  private func entry(_ name: String) -> Entry? {
    // Entries are in order of name, but files have few enough for a scan.
    entries.first { $0.name == name }
  }

  private func found(_ name: String) throws(Diagnostic) -> Entry {
    if let entry = entry(name) { return entry }
    let near = names.prefix(6).map { "'\($0)'" }.joined(separator: ", ")
    throw Diagnostic(
      "there is no tensor '\(name)'", at: SourceLocation(file: path),
      help: entries.isEmpty ? "the file holds no tensors" : "the file starts with \(near)")
  }

  private func unsupported(_ entry: Entry) -> Diagnostic {
    Diagnostic(
      "the tensor '\(entry.name)' has element type \(entry.elementType), which cannot be used here",
      at: SourceLocation(file: path), help: "convert it to float32")
  }
}
