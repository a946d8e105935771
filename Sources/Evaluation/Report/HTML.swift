/// Text that goes into HTML.
public enum HTML {
  /// For content and attributes.
  public static func escaped(_ text: String) -> String {
    var result = ""
    for character in text.unicodeScalars {
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      default: result.unicodeScalars.append(character)
      }
    }
    return result
  }

  /// JSON that stays inside its script element.
  static func script(_ json: String) -> String { json.replacing("<", with: "\\u003c") }
}
