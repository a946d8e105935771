import Diagnostics
import Foundation

/// Looks over a JSON text before Foundation parses it: Foundation keeps one of two equal keys and recurses into nesting.
///
/// Grammar is left to the parser; only depth and keys are judged here.
enum JSONGuard {
  /// Throws where objects and arrays nest deeper than `maximumDepth`, or an object has a key twice.
  static func check(
    _ text: ArraySlice<UInt8>, maximumDepth: Int, at place: SourceLocation
  ) throws(Diagnostic) {
    var keys: [Set<String>] = []
    var isObject: [Bool] = []
    var expectsKey = false
    var position = text.startIndex
    while position < text.endIndex {
      switch text[position] {
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        let opensObject = text[position] == UInt8(ascii: "{")
        guard isObject.count < maximumDepth else {
          throw Diagnostic("the JSON header nests deeper than \(maximumDepth)", at: place)
        }
        isObject.append(opensObject)
        keys.append([])
        expectsKey = opensObject
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        _ = isObject.popLast()
        _ = keys.popLast()
        expectsKey = false
      case UInt8(ascii: ","):
        expectsKey = isObject.last ?? false
      case UInt8(ascii: "\""):
        let end = endOfString(text, from: position)
        if expectsKey, !keys.isEmpty {
          let key = unescaped(text[position..<end])
          guard keys[keys.count - 1].insert(key).inserted else {
            throw Diagnostic("the JSON header has the key '\(key)' twice", at: place)
          }
        }
        expectsKey = false
        position = end - 1
      default: break
      }
      position += 1
    }
  }

  /// The index after the closing quote, or the end of the text.
  private static func endOfString(_ text: ArraySlice<UInt8>, from start: Int) -> Int {
    var position = start + 1
    while position < text.endIndex {
      if text[position] == UInt8(ascii: "\"") { return position + 1 }
      position += text[position] == UInt8(ascii: "\\") ? 2 : 1
    }
    return text.endIndex
  }

  /// The string that a literal with its quotes stands for; the literal itself where it is malformed.
  private static func unescaped(_ literal: ArraySlice<UInt8>) -> String {
    if literal.contains(UInt8(ascii: "\\")),
      let key = try? JSONDecoder().decode(String.self, from: Data(literal))
    {
      return key
    }
    return String(decoding: literal.dropFirst().dropLast(), as: UTF8.self)
  }
}
