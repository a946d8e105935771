import Diagnostics

extension ModelDescription {
  /// How the headers of dumps say it: ` attributes {network = "unet", settings = "channels=1,filters=64"}`.
  public var attributes: String {
    let settings = self.settings.isEmpty ? "" : ", settings = " + TextPrinter.quoted(settingsText)
    return " attributes {network = \(TextPrinter.quoted(network))\(settings)}"
  }

  /// Throws where dumps and weight files could not say it: a network needs a name, settings are split at `,` and `=`,
  /// and texts stand on one line of at most 4096 bytes.
  public func check() throws(Diagnostic) {
    guard !network.isEmpty else { throw Diagnostic("the network has no name", help: "name it") }
    for (name, value) in settings.sorted(by: { $0.key < $1.key })
    where name.isEmpty || name.contains(where: { "=,".contains($0) }) || value.contains(",") {
      throw Diagnostic(
        "the setting '\(name)' of \(network), '\(value)', cannot be written as name=value",
        help: "use no ',' in it, and no '=' in its name")
    }
    for text in [network, settingsText] {
      guard text.utf8.count <= Lexer.maximumTokenLength, text.utf8.allSatisfy({ $0 >= 32 }) else {
        throw Diagnostic(
          "the network's name and settings must each be one line of at most \(Lexer.maximumTokenLength) bytes",
          help: "shorten them")
      }
    }
  }
}

extension TokenStream {
  /// What `attributes` prints; nil where a header has none.
  public mutating func modelDescription() throws(Diagnostic) -> ModelDescription? {
    let start = location
    guard try takeIfWord("attributes") else { return nil }
    var values: [String: (text: String, place: SourceLocation)] = [:]
    _ = try list("{", "}") { (tokens) throws(Diagnostic) in
      let place = tokens.location
      let name = try tokens.word("'network' or 'settings'")
      guard ["network", "settings"].contains(name), values[name] == nil else {
        throw Diagnostic(
          "there is no attribute '\(name)' here, or two of them", at: place,
          help: "there are network and settings")
      }
      try tokens.expect("=")
      let valuePlace = tokens.location
      values[name] = (try tokens.string("a text in quotes"), valuePlace)
    }
    guard let network = values["network"] else {
      throw Diagnostic(
        "the attributes name no network", at: start, help: "add network = \"...\", or remove them")
    }
    do throws(Diagnostic) {
      let settings = try ModelDescription.settings(parsing: values["settings"]?.text ?? "")
      let description = ModelDescription(network: network.text, settings: settings)
      try description.check()
      return description
    } catch { throw error.located(at: (values["settings"] ?? network).place) }
  }
}
