import Diagnostics

/// What the header of an .npy file says: the Python dictionary `{'descr': ..., 'fortran_order': ..., 'shape': ...}`.
///
/// Format: numpy.lib.format in NumPy's documentation.
struct NpyHeader: Equatable {
  var descriptor = ""
  var isFortranOrder = false
  var extents: [Int] = []
}

/// Reads the dictionary literal; the keys may stand in any order, each once, and no others.
struct NpyHeaderParser {
  private let bytes: [UInt8]
  private let place: SourceLocation
  private var position = 0

  init(_ bytes: ArraySlice<UInt8>, at place: SourceLocation) {
    self.bytes = Array(bytes)
    self.place = place
  }

  mutating func parse() throws(Diagnostic) -> NpyHeader {
    var header = NpyHeader()
    var seen: [String] = []
    try expect("{")
    while !take("}") {
      let key = try string("a key")
      if seen.contains(key) { throw malformed("the key '\(key)' stands twice") }
      seen.append(key)
      try expect(":")
      switch key {
      case "descr": header.descriptor = try descriptor()
      case "fortran_order": header.isFortranOrder = try boolean()
      case "shape": header.extents = try tuple()
      default: throw malformed("the key '\(key)' is not known")
      }
      if !take(",") {
        try expect("}")
        break
      }
    }
    skipBlanks()
    guard position == bytes.count else { throw malformed("there is text after the dictionary") }
    for key in ["descr", "fortran_order", "shape"] where !seen.contains(key) {
      throw malformed("the key '\(key)' is missing")
    }
    return header
  }

  private mutating func descriptor() throws(Diagnostic) -> String {
    if peek() == UInt8(ascii: "[") {
      throw Diagnostic(
        "the array has named fields, which are not read", at: place,
        help: "save each field as an array of its own")
    }
    return try string("the element type")
  }

  private mutating func boolean() throws(Diagnostic) -> Bool {
    if takeWord("True") { return true }
    if takeWord("False") { return false }
    throw malformed("'fortran_order' must be True or False")
  }

  /// `()`, `(3,)`, `(3, 4)`; Python 2 wrote long integers as `3L`.
  private mutating func tuple() throws(Diagnostic) -> [Int] {
    var extents: [Int] = []
    try expect("(")
    while !take(")") {
      extents.append(try integer())
      guard extents.count <= 32 else { throw malformed("the shape has too many dimensions") }
      if take(",") { continue }
      guard extents.count > 1 else { throw malformed("the shape is not a tuple") }
      try expect(")")
      break
    }
    return extents
  }

  private mutating func integer() throws(Diagnostic) -> Int {
    skipBlanks()
    var value = 0
    let start = position
    while position < bytes.count, let digit = Self.digit(bytes[position]) {
      let (scaled, overflow) = value.multipliedReportingOverflow(by: 10)
      let (next, carry) = scaled.addingReportingOverflow(digit)
      guard !overflow, !carry else { throw malformed("an extent is too large") }
      value = next
      position += 1
    }
    guard position > start else {
      throw malformed("an extent that is not negative must stand here")
    }
    _ = takeWord("L")
    return value
  }

  private mutating func string(_ what: String) throws(Diagnostic) -> String {
    guard let quote = peek(), quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else {
      throw malformed("\(what) in quotes must stand here")
    }
    position += 1
    let start = position
    while position < bytes.count, bytes[position] != quote {
      guard bytes[position] >= 32, bytes[position] < 127, bytes[position] != UInt8(ascii: "\\")
      else { throw malformed("\(what) holds a byte that it may not") }
      position += 1
    }
    guard position < bytes.count else { throw malformed("\(what) is not closed") }
    defer { position += 1 }
    return String(decoding: bytes[start..<position], as: UTF8.self)
  }

  private mutating func peek() -> UInt8? {
    skipBlanks()
    return position < bytes.count ? bytes[position] : nil
  }

  private mutating func take(_ symbol: Unicode.Scalar) -> Bool {
    guard peek() == UInt8(ascii: symbol) else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ symbol: Unicode.Scalar) throws(Diagnostic) {
    guard take(symbol) else { throw malformed("'\(symbol)' must stand here") }
  }

  private mutating func takeWord(_ word: String) -> Bool {
    skipBlanks()
    guard bytes[position...].starts(with: word.utf8) else { return false }
    position += word.utf8.count
    return true
  }

  private mutating func skipBlanks() {
    while position < bytes.count, [32, 9, 10, 13].contains(bytes[position]) { position += 1 }
  }

  private static func digit(_ byte: UInt8) -> Int? {
    byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") ? Int(byte) - 48 : nil
  }

  private func malformed(_ what: String) -> Diagnostic {
    Diagnostic(
      "the .npy header is malformed at its byte \(position): \(what)", at: place,
      help: "write the file again with numpy.save")
  }
}
