import Diagnostics

/// The arrays of an .npz file, unpacked when asked for.
public struct NpzFile: Sendable {
  /// Names without `.npy`, in the order of the file.
  public let names: [String]
  private let entries: [ZipEntry]
  private let archive: ZipReader
  private let path: String

  public static func isNpz(_ bytes: [UInt8]) -> Bool { ZipReader.isZip(bytes) }

  public static func read(_ path: String) throws(Diagnostic) -> NpzFile {
    try NpzFile(try FileBytes.read(path), path: path)
  }

  /// Reads the directory alone; throws where `bytes` is no well-formed zip archive.
  public init(_ bytes: [UInt8], path: String) throws(Diagnostic) {
    self.path = path
    archive = try ZipReader(bytes, at: SourceLocation(file: path))
    entries = archive.entries.filter { $0.name.hasSuffix(".npy") }
    names = entries.map { String($0.name.dropLast(4)) }
  }

  /// One array; throws where there is none of that name, or it is damaged or larger than `limit` bytes.
  public func array(
    _ name: String, limit: Int = FileBytes.defaultLimit
  ) throws(Diagnostic) -> AnyTensor {
    guard let index = names.firstIndex(of: name) else {
      throw Diagnostic(
        "there is no array '\(name)'", at: SourceLocation(file: path),
        help: names.isEmpty ? "the file holds no arrays" : "there are: \(Self.list(names))")
    }
    let content = try archive.content(of: entries[index], limit: limit)
    return try NpyFile.decode(content, at: SourceLocation(file: "\(path)[\(name)]"))
  }

  /// The bytes of a file that holds these arrays in this order.
  public static func encode(
    _ arrays: [(name: String, tensor: AnyTensor)], deflating: Bool = false
  ) throws(Diagnostic) -> [UInt8] {
    var writer = ZipWriter()
    for (name, tensor) in arrays {
      try writer.add(name + ".npy", NpyFile.encode(tensor), deflating: deflating)
    }
    return writer.finish()
  }

  public static func write(
    _ arrays: [(name: String, tensor: AnyTensor)], to path: String, deflating: Bool = false
  ) throws(Diagnostic) {
    try AtomicFile.write(try encode(arrays, deflating: deflating), to: path)
  }

  private static func list(_ names: [String]) -> String {
    let shown = names.prefix(8).map { "'\($0)'" }.joined(separator: ", ")
    return names.count > 8 ? shown + " and \(names.count - 8) more" : shown
  }
}
