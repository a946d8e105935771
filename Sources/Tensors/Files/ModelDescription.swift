import Diagnostics

/// Which network weights or a dump belong to, as the file says.
public struct ModelDescription: Hashable, Sendable {
  public var network: String
  /// May hold fewer settings than the network has; those are open.
  public var settings: [String: String]

  public init(network: String, settings: [String: String]) {
    self.network = network
    self.settings = settings
  }

  /// Nothing where the metadata names no network.
  ///
  /// Throws where its settings are not written as `settingsText` writes them.
  public init?(
    metadata: [String: String], file: String
  ) throws(Diagnostic) {
    guard let network = metadata["network"] else { return nil }
    self.network = network
    do throws(Diagnostic) {
      settings = try Self.settings(parsing: metadata["settings"] ?? "")
    } catch {
      throw Diagnostic(
        "the metadata " + error.message, at: SourceLocation(file: file),
        help: "write the weights again")
    }
  }

  /// What `settingsText` writes, read back.
  static func settings(parsing text: String) throws(Diagnostic) -> [String: String] {
    var settings: [String: String] = [:]
    for item in text.split(separator: ",") {
      let parts = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, !parts[0].isEmpty, settings[String(parts[0])] == nil else {
        throw Diagnostic(
          "'settings' has '\(item)' where a new name=value must stand",
          help: "write name=value, with commas between")
      }
      settings[String(parts[0])] = String(parts[1])
    }
    return settings
  }

  /// Canonical: `name=value`, in the order of the names, separated by commas.
  public var settingsText: String {
    settings.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
  }

  /// What metadata says of the network.
  public var metadata: [String: String] { ["network": network, "settings": settingsText] }

  /// This file's description with what the user asked for besides: settings that one of them leaves open are those of
  /// the other.
  ///
  /// Throws where both name a network or a value of one setting, and they differ.
  public func merged(
    network requested: String?, settings others: [String: String], file: String
  ) throws(Diagnostic) -> ModelDescription {
    if let requested, requested != network {
      throw Diagnostic(
        "the weights are those of network '\(network)', not '\(requested)'",
        at: SourceLocation(file: file), help: "use \(network), or other weights")
    }
    var merged = self
    for (name, value) in others.sorted(by: { $0.key < $1.key }) {
      if let mine = settings[name], !Self.equal(mine, value) {
        throw Diagnostic(
          "the weights are those of \(network) with \(name)=\(mine), not \(name)=\(value)",
          at: SourceLocation(file: file), help: "leave \(name) out, or use other weights")
      }
      merged.settings[name] = settings[name] ?? value
    }
    return merged
  }

  /// Whether two texts mean the same value: `3` and `03` do.
  private static func equal(_ a: String, _ b: String) -> Bool {
    if let a = Int(a), let b = Int(b) { return a == b }
    return a == b
  }
}
