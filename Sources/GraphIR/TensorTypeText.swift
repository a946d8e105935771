import Diagnostics
import Tensors

extension TokenStream {
  /// Longer than any type of 8 dimensions.
  private static let maximumTypeLength = 128

  /// `tensor<1x32x192x128xf32>`; the lexer hands over `1`, `x32x192x128xf32`.
  mutating func tensorType() throws(Diagnostic) -> TensorType {
    let place = location
    try expectWord("tensor")
    try expect("<")
    var text = ""
    while !isAt(">") {
      switch token {
      case .integer, .word:
        guard text.utf8.count <= Self.maximumTypeLength else {
          throw Diagnostic("a type has more than \(Self.maximumTypeLength) characters", at: place)
        }
        text += try take().text
      default: throw unexpected("a type such as tensor<1x192x128xf32>")
      }
    }
    try take()
    var parts = text.split(separator: "x", omittingEmptySubsequences: false).map(String.init)
    // `complex64` holds an `x` of its own.
    if parts.count >= 2, parts[parts.count - 2].hasSuffix("comple") {
      let last = parts.removeLast()
      parts[parts.count - 1] += "x" + last
    }
    guard let element = ElementType(rawValue: parts.removeLast()) else {
      throw Diagnostic(
        "tensor<\(text)> names no element type", at: place,
        help: "the element types are "
          + ElementType.allCases.map(\.rawValue).joined(separator: ", "))
    }
    var extents: [Int] = []
    for part in parts {
      guard let extent = Int(part) else {
        throw Diagnostic("'\(part)' in tensor<\(text)> is not an extent", at: place)
      }
      extents.append(extent)
    }
    do { return TensorType(try Shape(extents), element) } catch { throw error.located(at: place) }
  }
}

extension TensorType {
  /// Types for a message: the first few, and how many more there are.
  static func list(_ types: [TensorType]) -> String {
    if types.isEmpty { return "nothing" }
    let shown = types.prefix(8).map(\.description).joined(separator: ", ")
    return types.count > 8 ? "\(shown) and \(types.count - 8) more" : shown
  }
}
