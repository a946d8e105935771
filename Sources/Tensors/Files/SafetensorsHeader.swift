import Diagnostics
import Foundation

/// The checked header of a safetensors file.
struct SafetensorsHeader {
  var metadata: [String: String] = [:]
  /// In the order of their names.
  var entries: [Safetensors.Entry] = []

  private static let elementBytes = [
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "I16": 2, "U16": 2, "F16": 2,
    "BF16": 2, "I32": 4, "U32": 4, "F32": 4, "F64": 8, "I64": 8, "U64": 8,
  ]

  /// One value of the header object: a tensor or, under `__metadata__`, strings.
  private enum Field: Decodable {
    case tensor(elementType: String, extents: [Int], offsets: [Int])
    case strings([String: String])

    private enum Key: String, CodingKey {
      case dtype, shape
      case offsets = "data_offsets"
    }

    init(from decoder: any Decoder) throws {
      if decoder.codingPath.last?.stringValue == "__metadata__" {
        self = .strings(try decoder.singleValueContainer().decode([String: String].self))
        return
      }
      let container = try decoder.container(keyedBy: Key.self)
      self = .tensor(
        elementType: try container.decode(String.self, forKey: .dtype),
        extents: try container.decode([Int].self, forKey: .shape),
        offsets: try container.decode([Int].self, forKey: .offsets))
    }
  }

  init(_ bytes: [UInt8], at place: SourceLocation) throws(Diagnostic) {
    let text = try Self.text(bytes, at: place)
    // A root object, a tensor's object, and its arrays.
    try JSONGuard.check(text, maximumDepth: 3, at: place)
    let fields: [String: Field]
    do {
      fields = try JSONDecoder().decode([String: Field].self, from: Data(text))
    } catch {
      throw Self.malformed("it is not the JSON object it should be (\(Self.reason(error)))", place)
    }
    let dataStart = text.endIndex
    for (name, field) in fields.sorted(by: { $0.key < $1.key }) {
      switch field {
      case .strings(let strings): metadata = strings
      case .tensor(let type, let extents, let offsets):
        entries.append(
          try Self.entry(name, type, extents, offsets, dataStart, bytes.count, place))
      }
    }
    try checkContiguity(from: dataStart, to: bytes.count, at: place)
  }

  /// The header's bytes, after their length in eight.
  private static func text(
    _ bytes: [UInt8], at place: SourceLocation
  ) throws(Diagnostic) -> ArraySlice<UInt8> {
    guard let length = RawValues.integer(bytes, at: 0, size: 8) else {
      throw malformed("the file is shorter than the length of its header", place)
    }
    guard length <= UInt64(Safetensors.maximumHeader) else {
      throw malformed(
        "it declares \(length) bytes, more than the format's \(Safetensors.maximumHeader)", place)
    }
    guard Int(length) <= bytes.count - 8 else {
      throw malformed("it runs past the end of the file", place)
    }
    let text = bytes[8..<8 + Int(length)]
    guard text.first == UInt8(ascii: "{") else {
      throw malformed("it does not start with '{'", place)
    }
    guard String(validating: text, as: UTF8.self) != nil else {
      throw malformed("it is not UTF-8", place)
    }
    return text
  }

  private static func entry(
    _ name: String, _ type: String, _ extents: [Int], _ offsets: [Int], _ dataStart: Int,
    _ end: Int, _ place: SourceLocation
  ) throws(Diagnostic) -> Safetensors.Entry {
    guard let elementBytes = elementBytes[type] else {
      throw malformed("the tensor '\(name)' has an unknown element type '\(type)'", place)
    }
    let shape: Shape
    do { shape = try Shape(extents) } catch {
      throw malformed("the tensor '\(name)': \(error.message)", place)
    }
    guard offsets.count == 2, offsets[0] >= 0, offsets[0] <= offsets[1],
      offsets[1] <= end - dataStart
    else { throw malformed("the offsets of the tensor '\(name)' lie outside the file", place) }
    let needed = shape.elementCount * elementBytes
    guard offsets[1] - offsets[0] == needed else {
      throw malformed(
        "the tensor '\(name)' (\(shape) of \(type)) needs \(needed) bytes, "
          + "but its offsets hold \(offsets[1] - offsets[0])", place)
    }
    let range = dataStart + offsets[0]..<dataStart + offsets[1]
    return Safetensors.Entry(name: name, elementType: type, shape: shape, range: range)
  }

  /// The tensors must cover the data without overlap or gap.
  private func checkContiguity(
    from start: Int, to end: Int, at place: SourceLocation
  ) throws(Diagnostic) {
    var position = start
    for entry in entries.sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
      guard entry.range.lowerBound == position else {
        let what = entry.range.lowerBound < position ? "overlaps another" : "leaves a gap before it"
        throw Self.malformed("the tensor '\(entry.name)' \(what)", place)
      }
      position = entry.range.upperBound
    }
    guard position == end else {
      throw Self.malformed("\(end - position) bytes of the file belong to no tensor", place)
    }
  }

  private static func reason(_ error: any Error) -> String {
    guard let error = error as? DecodingError else { return "unreadable" }
    switch error {
    case .keyNotFound(let key, let context):
      return "'\(key.stringValue)' is missing\(path(context))"
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      return "a value has the wrong type\(path(context))"
    case .dataCorrupted(let context): return "malformed text\(path(context))"
    @unknown default: return "unreadable"
    }
  }

  private static func path(_ context: DecodingError.Context) -> String {
    let names = context.codingPath.map(\.stringValue)
    return names.isEmpty ? "" : " in '\(names.joined(separator: "/"))'"
  }

  static func malformed(_ why: String, _ place: SourceLocation) -> Diagnostic {
    Diagnostic(
      "the safetensors header is malformed: \(why)", at: place,
      help: "download or write the weights again")
  }
}
