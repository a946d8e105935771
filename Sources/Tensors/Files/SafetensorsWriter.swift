import Diagnostics

extension Safetensors {
  /// The bytes of a file with these tensors, in the order of their names; the header is padded with spaces to 8 bytes.
  ///
  /// Throws for complex tensors, which the format has not, and where a name stands twice or is `__metadata__`.
  public static func encode(
    _ tensors: [(name: String, tensor: AnyTensor)], metadata: [String: String] = [:]
  ) throws(Diagnostic) -> [UInt8] {
    let sorted = tensors.sorted { $0.name < $1.name }
    var fields: [String] = []
    if !metadata.isEmpty {
      let texts = metadata.sorted { $0.key < $1.key }.map {
        "\(quoted($0.key)):\(quoted($0.value))"
      }
      fields.append("\"__metadata__\":{\(texts.joined(separator: ","))}")
    }
    var data: [UInt8] = []
    for (index, item) in sorted.enumerated() {
      guard item.name != "__metadata__", index == 0 || sorted[index - 1].name != item.name else {
        throw Diagnostic("the tensor name '\(item.name)' cannot be written: it is taken")
      }
      let (type, content) = try packed(item.tensor, name: item.name)
      let extents = item.tensor.shape.extents.map(String.init).joined(separator: ",")
      let end = data.count + content.count
      fields.append(
        "\(quoted(item.name)):{\"dtype\":\"\(type)\",\"shape\":[\(extents)],"
          + "\"data_offsets\":[\(data.count),\(end)]}")
      data += content
    }
    var header = Array("{\(fields.joined(separator: ","))}".utf8)
    while header.count % 8 != 0 { header.append(UInt8(ascii: " ")) }
    guard header.count <= maximumHeader else {
      throw Diagnostic("the safetensors header would be larger than the format allows")
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(8 + header.count + data.count)
    RawValues.append(UInt64(header.count), size: 8, to: &bytes)
    return bytes + header + data
  }

  public static func write(
    _ tensors: [(name: String, tensor: AnyTensor)], metadata: [String: String] = [:],
    to path: String
  ) throws(Diagnostic) {
    try AtomicFile.write(try encode(tensors, metadata: metadata), to: path)
  }

  private static func packed(
    _ tensor: AnyTensor, name: String
  ) throws(Diagnostic) -> (type: String, data: [UInt8]) {
    switch tensor {
    case .bool(let tensor): return ("BOOL", tensor.values.map { $0 ? 1 : 0 })
    case .uint8(let tensor): return ("U8", tensor.values)
    case .int16(let tensor): return ("I16", RawValues.encode(tensor.values))
    case .uint16(let tensor): return ("U16", RawValues.encode(tensor.values))
    case .int32(let tensor): return ("I32", RawValues.encode(tensor.values))
    case .int64(let tensor): return ("I64", RawValues.encode(tensor.values))
    case .float32(let tensor): return ("F32", RawValues.encode(tensor.values))
    case .float64(let tensor): return ("F64", RawValues.encode(tensor.values))
    case .complex64, .complex128:
      throw Diagnostic(
        "the tensor '\(name)' is complex, and safetensors files hold no complex numbers")
    }
  }

  /// A JSON string literal (RFC 8259, section 7).
  private static func quoted(_ text: String) -> String {
    var literal = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": literal += "\\\(scalar)"
      case "\n": literal += "\\n"
      case _ where scalar.value < 32:
        let digits = String(scalar.value, radix: 16)
        literal += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: literal.unicodeScalars.append(scalar)
      }
    }
    return literal + "\""
  }
}
