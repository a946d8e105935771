import Diagnostics

/// The tensors of a state dict that `torch.save` wrote, as a zip archive or in the form before PyTorch 1.6.
///
/// Nothing of the file is run: see `Unpickler`.
public struct TorchFile: Sendable {
  /// In the order of the state dict.
  public let names: [String]
  private let views: [String: TorchView]
  private let data: [String: ArraySlice<UInt8>]
  private let path: String

  /// The start of a zip archive with a pickle inside, or of the older form.
  public static func isTorch(_ bytes: [UInt8]) -> Bool {
    if bytes.starts(with: legacyStart) { return true }
    guard let archive = try? ZipReader(bytes, at: SourceLocation(file: "")) else { return false }
    return archive.entries.contains { $0.name.hasSuffix("/data.pkl") }
  }

  public static func read(_ path: String) throws(Diagnostic) -> TorchFile {
    try TorchFile(try FileBytes.read(path), path: path)
  }

  /// Throws where the file is no state dict, asks for anything but tensors, or is damaged.
  public init(_ bytes: [UInt8], path: String) throws(Diagnostic) {
    self.path = path
    let place = SourceLocation(file: path)
    let content =
      try ZipReader.isZip(bytes)
      ? Self.archived(bytes, at: place) : Self.legacy(bytes, at: place)
    var (names, views): ([String], [String: TorchView]) = ([], [:])
    for (key, value) in content.items {
      guard case .string(let name) = key, case .tensor(let view) = value else {
        throw Diagnostic(
          "the PyTorch file is no state dict of tensors alone", at: place,
          help: "save a plain state dict: torch.save(model.state_dict(), path)")
      }
      guard views[name] == nil else {
        throw Diagnostic("the tensor '\(name)' stands twice in the file", at: place)
      }
      names.append(name)
      views[name] = view
    }
    (self.names, self.views, data) = (names, views, content.data)
  }

  /// One tensor as float32; half, bfloat16 and double are converted (rounded to nearest).
  ///
  /// Throws where there is none of that name, it is not of floating point, or it does not lie in its storage.
  public func floats(_ name: String) throws(Diagnostic) -> Tensor<Float> {
    guard let view = views[name] else {
      throw Diagnostic(
        "there is no tensor '\(name)'", at: SourceLocation(file: path),
        help: "the file starts with "
          + names.prefix(6).map { "'\($0)'" }.joined(separator: ", "))
    }
    let shape: Shape
    do { shape = try Shape(view.extents) } catch { throw damaged(name, error.message) }
    let values = try stored(name, view.storage)
    guard view.strides.count == shape.rank, view.offset >= 0, view.strides.allSatisfy({ $0 >= 0 }),
      shape.elementCount <= values.count, Self.last(of: view, in: values.count) != nil
    else { throw damaged(name, "it does not lie inside its storage") }
    var positions = [view.offset]
    for (extent, stride) in zip(view.extents, view.strides) {
      positions = positions.flatMap { start in (0..<extent).map { start + $0 * stride } }
    }
    return try Tensor(shape, positions.map { values[$0] })
  }

  /// The largest index of a view, nil where it is outside a storage of `count` numbers.
  private static func last(of view: TorchView, in count: Int) -> Int? {
    var last = view.offset
    for (extent, stride) in zip(view.extents, view.strides) {
      let (way, overflow) = (extent - 1).multipliedReportingOverflow(by: stride)
      let (sum, carry) = last.addingReportingOverflow(way)
      guard !overflow, !carry, sum < count else { return nil }
      last = sum
    }
    return last < count ? last : nil
  }

  /// A storage's numbers, as many as the pickle says there are.
  private func stored(_ name: String, _ storage: TorchStorage) throws(Diagnostic) -> [Float] {
    guard let size = Self.elementBytes[storage.type] else {
      throw damaged(name, "its element type \(storage.type) is not known")
    }
    guard let data = data[storage.key], data.count % size == 0, data.count / size == storage.count
    else { throw damaged(name, "its storage has another size than the file says") }
    switch storage.type {
    case "FloatStorage": return RawValues.decode(data, as: Float.self)
    case "DoubleStorage": return RawValues.decode(data, as: Double.self).map { Float($0) }
    case "HalfStorage":
      return RawValues.decode(data, as: UInt16.self).map { Float(Float16(bitPattern: $0)) }
    case "BFloat16Storage":
      return RawValues.decode(data, as: UInt16.self).map { Float(bitPattern: UInt32($0) << 16) }
    default:
      throw Diagnostic(
        "the tensor '\(name)' is made of \(storage.type), not of floating-point numbers",
        at: SourceLocation(file: path))
    }
  }

  private static let elementBytes = [
    "FloatStorage": 4, "DoubleStorage": 8, "HalfStorage": 2, "BFloat16Storage": 2,
    "LongStorage": 8, "IntStorage": 4, "ShortStorage": 2, "CharStorage": 1, "ByteStorage": 1,
    "BoolStorage": 1,
  ]

  private func damaged(_ name: String, _ why: String) -> Diagnostic {
    Diagnostic("the tensor '\(name)' cannot be read: \(why)", at: SourceLocation(file: path))
  }
}

// MARK: Containers

extension TorchFile {
  private struct Content {
    var items: [(key: PickleValue, value: PickleValue)]
    var data: [String: ArraySlice<UInt8>]
  }

  /// A zip archive: `NAME/data.pkl`, `NAME/data/KEY`, and in newer ones `NAME/byteorder`.
  private static func archived(
    _ bytes: [UInt8], at place: SourceLocation
  ) throws(Diagnostic) -> Content {
    let archive = try ZipReader(bytes, at: place)
    guard let pickle = archive.entries.first(where: { $0.name.hasSuffix("/data.pkl") }) else {
      throw Diagnostic("the archive has no data.pkl: it is no PyTorch file", at: place)
    }
    let folder = pickle.name.dropLast("data.pkl".count)
    if let order = archive.entries.first(where: { $0.name == folder + "byteorder" }) {
      let text = try archive.content(of: order, limit: 64)
      guard text == Array("little".utf8) else {
        throw Diagnostic("the numbers of the PyTorch file are not little-endian", at: place)
      }
    }
    let code = try archive.content(of: pickle, limit: maximumPickle)
    var unpickler = Unpickler(code, at: place)
    let items = try dictionary(try unpickler.read(), unpickler)
    var data: [String: ArraySlice<UInt8>] = [:]
    for entry in archive.entries where entry.name.hasPrefix(folder + "data/") {
      let key = String(entry.name.dropFirst(folder.count + "data/".count))
      data[key] = try archive.content(of: entry, limit: FileBytes.defaultLimit)[...]
    }
    return Content(items: items, data: data)
  }

  private static let maximumPickle = 64 << 20

  /// A magic number, a version, the writer's machine, the state dict and the keys of its storages, each a pickle; then
  /// for each key the number of elements in 8 bytes and the elements.
  private static func legacy(
    _ bytes: [UInt8], at place: SourceLocation
  ) throws(Diagnostic) -> Content {
    guard bytes.starts(with: legacyStart) else {
      throw Diagnostic("this is no PyTorch file: it does not start as one", at: place)
    }
    var unpickler = Unpickler(bytes, at: place)
    _ = try unpickler.read()
    guard try unpickler.read() == .integer(1001) else {
      throw unpickler.malformed("the version of the format is not 1001")
    }
    let machine = try dictionary(try unpickler.read(), unpickler)
    guard machine.contains(where: { $0 == (.string("little_endian"), .bool(true)) }) else {
      throw Diagnostic("the numbers of the PyTorch file are not little-endian", at: place)
    }
    let items = try dictionary(try unpickler.read(), unpickler)
    guard case .list(let keys) = try unpickler.read() else {
      throw unpickler.malformed("the keys of the storages are missing")
    }
    let storages = items.compactMap { item -> TorchStorage? in
      if case .tensor(let view) = item.value { return view.storage } else { return nil }
    }
    let data = try legacyData(
      bytes, from: unpickler.position, keys: unpickler.lists[keys], of: storages, at: place)
    return Content(items: items, data: data)
  }

  private static func legacyData(
    _ bytes: [UInt8], from start: Int, keys: [PickleValue], of storages: [TorchStorage],
    at place: SourceLocation
  ) throws(Diagnostic) -> [String: ArraySlice<UInt8>] {
    let types = Dictionary(
      storages.map { ($0.key, $0.type) }, uniquingKeysWith: { first, _ in first })
    var data: [String: ArraySlice<UInt8>] = [:]
    var position = start
    for value in keys {
      guard case .string(let key) = value, let size = elementBytes[types[key] ?? ""],
        let count = RawValues.integer(bytes, at: position, size: 8).flatMap({ Int(exactly: $0) }),
        count <= (bytes.count - position - 8) / size
      else {
        throw Diagnostic(
          "the PyTorch file is damaged or was cut off at byte \(position)", at: place,
          help: "download or write it again")
      }
      data[key] = bytes[position + 8..<position + 8 + count * size]
      position += 8 + count * size
    }
    return data
  }

  private static func dictionary(
    _ value: PickleValue, _ unpickler: Unpickler
  ) throws(Diagnostic) -> [(key: PickleValue, value: PickleValue)] {
    guard case .dictionary(let index) = value else {
      throw unpickler.malformed("it holds no dictionary")
    }
    return unpickler.dictionaries[index]
  }

  /// A pickle of the magic number 0x1950a86a20f9469cfc6c.
  private static let legacyStart: [UInt8] = [
    0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19,
    UInt8(ascii: "."),
  ]
}
