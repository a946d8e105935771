import Diagnostics

/// The name of a model, which begins every symbol of its library.
public enum ModelName {
  static let maximumLength = 64

  /// Throws where the name is no C identifier, or one that C or C++ keeps for itself.
  public static func check(_ name: String) throws(Diagnostic) {
    let help = "choose letters, digits and '_', beginning with a letter: --name my_model"
    let isIdentifier = name.utf8.enumerated().allSatisfy { position, byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): return true
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"): return position > 0
      default: return false
      }
    }
    guard !name.isEmpty, isIdentifier else {
      throw Diagnostic("the model name '\(name)' is not a C identifier", help: help)
    }
    guard name.utf8.count <= maximumLength else {
      throw Diagnostic("the model name is longer than \(maximumLength) characters", help: help)
    }
    guard !keywords.contains(name) else {
      throw Diagnostic("the model name '\(name)' is a keyword of C or C++", help: help)
    }
  }

  private static let keywords: Set<String> = [
    "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break",
    "case", "catch", "char", "class", "compl", "concept", "const", "consteval", "constexpr",
    "constinit", "continue", "decltype", "default", "delete", "do", "double", "else", "enum",
    "explicit", "export", "extern", "false", "float", "for", "friend", "goto", "if", "inline",
    "int", "long", "mutable", "namespace", "new", "noexcept", "not", "not_eq", "nullptr",
    "operator", "or", "or_eq", "private", "protected", "public", "register", "requires",
    "restrict", "return", "short", "signed", "sizeof", "static", "struct", "switch", "template",
    "this", "throw", "true", "try", "typedef", "typeid", "typename", "union", "unsigned", "using",
    "virtual", "void", "volatile", "while", "xor", "xor_eq", "main", "rephase", "typeof",
  ]
}
