import ComplexModule
import Diagnostics
import RealModule

/// Arrays in NumPy's .npy format, versions 1.0, 2.0 and 3.0.
///
/// Format: numpy.lib.format in NumPy's documentation.
public enum NpyFile {
  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
  /// Longer than the header of any array without named fields can be.
  static let maximumHeader = 64 << 10

  public static func isNpy(_ bytes: [UInt8]) -> Bool { bytes.starts(with: magic) }

  public static func read(_ path: String) throws(Diagnostic) -> AnyTensor {
    try decode(try FileBytes.read(path), at: SourceLocation(file: path))
  }

  public static func write(_ tensor: AnyTensor, to path: String) throws(Diagnostic) {
    try AtomicFile.write(encode(tensor), to: path)
  }

  /// The array that fills `bytes`; throws where the header is malformed or the data is too short or too long.
  public static func decode(
    _ bytes: [UInt8], at place: SourceLocation
  ) throws(Diagnostic) -> AnyTensor {
    let (header, dataStart) = try self.header(bytes, at: place)
    let shape: Shape
    do { shape = try Shape(header.extents) } catch { throw error.located(at: place) }
    let kind = try ElementKind(header.descriptor, at: place)
    let needed = shape.elementCount * kind.byteCount
    let present = bytes.count - dataStart
    guard present == needed else {
      throw Diagnostic(
        "the header asks for \(needed) bytes of data (\(shape) of '\(header.descriptor)'), "
          + "but \(present) follow it", at: place,
        help: "the file is damaged or was cut off; copy or write it again")
    }
    return try tensor(kind, shape, header, bytes[dataStart...])
  }

  private static func header(
    _ bytes: [UInt8], at place: SourceLocation
  ) throws(Diagnostic) -> (NpyHeader, dataStart: Int) {
    guard isNpy(bytes), bytes.count >= 10 else {
      throw Diagnostic("this is not an .npy file: it does not start as one does", at: place)
    }
    let version = bytes[6]
    guard (1...3).contains(version), bytes[7] == 0 else {
      throw Diagnostic(
        "the .npy format version \(version).\(bytes[7]) is not known", at: place,
        help: "write the file with format 1.0, 2.0 or 3.0")
    }
    let sizeBytes = version == 1 ? 2 : 4
    guard let size = RawValues.integer(bytes, at: 8, size: sizeBytes).map({ Int($0) }),
      size <= bytes.count - 8 - sizeBytes
    else {
      throw Diagnostic("the .npy header runs past the end of the file", at: place)
    }
    guard size <= maximumHeader else {
      throw Diagnostic(
        "the .npy header has \(size) bytes, more than the \(maximumHeader) that are read", at: place
      )
    }
    let start = 8 + sizeBytes
    var parser = NpyHeaderParser(bytes[start..<start + size], at: place)
    return (try parser.parse(), start + size)
  }

  private static func tensor(
    _ kind: ElementKind, _ shape: Shape, _ header: NpyHeader, _ data: ArraySlice<UInt8>
  ) throws(Diagnostic) -> AnyTensor {
    let word = kind.isBigEndian ? kind.wordBytes : 1
    func make<Value: Sendable>(_ values: [Value]) throws(Diagnostic) -> Tensor<Value> {
      let ordered =
        header.isFortranOrder ? RawValues.rowMajor(values, extents: shape.extents) : values
      return try Tensor(shape, ordered)
    }
    func plain<Value: BitwiseCopyable & Sendable>(
      _ type: Value.Type
    ) throws(Diagnostic) -> Tensor<Value> {
      try make(RawValues.decode(data, as: type, swappingWords: word))
    }
    switch kind.code {
    case "b1": return .bool(try make(data.map { $0 != 0 }))
    case "u1": return .uint8(try plain(UInt8.self))
    case "i2": return .int16(try plain(Int16.self))
    case "u2": return .uint16(try plain(UInt16.self))
    case "i4": return .int32(try plain(Int32.self))
    case "i8": return .int64(try plain(Int64.self))
    case "f4": return .float32(try plain(Float.self))
    case "f8": return .float64(try plain(Double.self))
    case "c8":
      let values = RawValues.decodeComplex(data, as: Float.self, swappingWords: word)
      return .complex64(try make(values))
    default:
      let values = RawValues.decodeComplex(data, as: Double.self, swappingWords: word)
      return .complex128(try make(values))
    }
  }

  /// The bytes of a file in format 1.0, little-endian, row-major, data aligned to 64 bytes as NumPy does.
  public static func encode(_ tensor: AnyTensor) -> [UInt8] {
    let (descriptor, data) = content(tensor)
    let extents = tensor.shape.extents
    var tuple = extents.map(String.init).joined(separator: ", ")
    if extents.count == 1 { tuple += "," }
    var header = "{'descr': '\(descriptor)', 'fortran_order': False, 'shape': (\(tuple)), }"
    let unpadded = 10 + header.utf8.count + 1
    header += String(repeating: " ", count: (64 - unpadded % 64) % 64) + "\n"
    var bytes = magic + [1, 0]
    RawValues.append(UInt64(header.utf8.count), size: 2, to: &bytes)
    return bytes + Array(header.utf8) + data
  }

  private static func content(_ tensor: AnyTensor) -> (descriptor: String, data: [UInt8]) {
    switch tensor {
    case .bool(let tensor): return ("|b1", tensor.values.map { $0 ? 1 : 0 })
    case .uint8(let tensor): return ("|u1", tensor.values)
    case .int16(let tensor): return ("<i2", RawValues.encode(tensor.values))
    case .uint16(let tensor): return ("<u2", RawValues.encode(tensor.values))
    case .int32(let tensor): return ("<i4", RawValues.encode(tensor.values))
    case .int64(let tensor): return ("<i8", RawValues.encode(tensor.values))
    case .float32(let tensor): return ("<f4", RawValues.encode(tensor.values))
    case .float64(let tensor): return ("<f8", RawValues.encode(tensor.values))
    case .complex64(let tensor): return ("<c8", RawValues.encodeComplex(tensor.values))
    case .complex128(let tensor): return ("<c16", RawValues.encodeComplex(tensor.values))
    }
  }
}

/// A NumPy element type such as `<f4`: byte order, kind, size.
private struct ElementKind {
  let code: String
  let isBigEndian: Bool

  private static let sizes = [
    "b1": 1, "u1": 1, "i2": 2, "u2": 2, "i4": 4, "i8": 8, "f4": 4, "f8": 8, "c8": 8, "c16": 16,
  ]

  var byteCount: Int { Self.sizes[code] ?? 1 }
  /// Bytes of what a byte order applies to: half a complex number.
  var wordBytes: Int { code.hasPrefix("c") ? byteCount / 2 : byteCount }

  init(_ descriptor: String, at place: SourceLocation) throws(Diagnostic) {
    let order = descriptor.first ?? " "
    code = String(descriptor.dropFirst())
    isBigEndian = order == ">"
    guard "<>|=".contains(order), Self.sizes[code] != nil else {
      throw Diagnostic(
        "the element type '\(descriptor)' is not read", at: place,
        help: "convert the array with astype to float32, float64, int16, int32, complex64 or such")
    }
  }
}
