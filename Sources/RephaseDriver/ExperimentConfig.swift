import Diagnostics
import Foundation
import Tensors
import Yams

/// A whole experiment in one YAML file: data, set, networks, losses, training, evaluation.
///
/// `prepare`, `train` and `evaluate` hold options of the commands of those names, without the dashes. Paths are those of
/// the command line: relative to the current directory.
struct ExperimentConfig {
  /// Options of a command by name; a flag is `true` or `false`, what may be repeated is a list.
  typealias Options = [(name: String, values: [String])]

  /// Options of its commands that an experiment sets itself.
  static let ownOptions = ["data", "output", "resume", "quiet", "models"]

  /// A name with options of its own, and where the file says it.
  struct Entry {
    var name: String
    var options: Options
    var place: SourceLocation
  }

  let data: [String]
  let prepare: Options
  /// Networks with their settings, in the order of the file.
  let networks: [Entry]
  /// Losses with options of `train` of their own.
  let losses: [Entry]
  let train: Options
  let evaluate: Options
  /// What the file says, without comments and layout.
  let content: Node?

  /// Throws where the file is no YAML of this form.
  init(_ path: String) throws(Diagnostic) {
    let place = SourceLocation(file: path)
    let bytes = try FileBytes.read(path, limit: 1 << 16)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw Diagnostic("this is no text in UTF-8", at: place)
    }
    try Self.checkNesting(text, at: place)
    let root: Node?
    do { root = try Yams.compose(yaml: text) } catch {
      throw Self.diagnostic(error, path)
    }
    content = root
    let reader = ConfigReader(path: path)
    let known = ["data", "prepare", "networks", "losses", "train", "evaluate"]
    let parts = try reader.mapping(root, "the experiment", keys: known)
    func part(_ name: String) -> Node? { parts.first { $0.name == name }?.node }
    data = try reader.list(part("data"), "data")
    losses = try reader.named(part("losses"), "losses")
    prepare = try reader.options(part("prepare"), "prepare")
    train = try reader.options(part("train"), "train")
    evaluate = try reader.options(part("evaluate"), "evaluate")
    networks = try reader.named(part("networks"), "networks")
  }

  /// What the parser says, at its place.
  private static func diagnostic(_ error: any Error, _ path: String) -> Diagnostic {
    var place = SourceLocation(file: path)
    let problem: String
    switch error as? YamlError {
    case .scanner(_, let text, let mark, _), .parser(_, let text, let mark, _),
      .composer(_, let text, let mark, _):
      (problem, place.line, place.column) = (text, mark.line, mark.column)
    case .reader(let text, let offset?, _, let yaml):
      problem = text
      place.line = 1 + yaml.prefix(offset).count(where: \.isNewline)
    default: problem = "\(error)"
    }
    return Diagnostic("this is no YAML: \(problem)", at: place)
  }

  /// The parser recurses into nesting, which brackets and dashes on one line make cheap.
  private static func checkNesting(_ text: String, at place: SourceLocation) throws(Diagnostic) {
    let longest = text.split(whereSeparator: \.isNewline).map(\.utf8.count).max() ?? 0
    guard longest <= 1000, text.utf8.count(where: { "[{".utf8.contains($0) }) <= 200 else {
      throw Diagnostic(
        "the file has lines of more than 1000 characters, or more than 200 brackets", at: place)
    }
  }

  /// `--name value` of each option.
  static func arguments(_ options: Options) -> [String] {
    options.flatMap { option -> [String] in
      switch option.values {
      case ["true"]: return ["--" + option.name]
      case ["false"]: return []
      default: return option.values.flatMap { ["--" + option.name, $0] }
      }
    }
  }
}

/// Takes a YAML document apart; what is not as it should be is an error with its line.
private struct ConfigReader {
  let path: String

  func mapping(
    _ node: Node?, _ name: String, keys: [String]?
  ) throws(Diagnostic) -> [(name: String, node: Node)] {
    guard let node, node.null == nil else { return [] }
    guard case .mapping(let mapping) = node else {
      throw Diagnostic("\(name) is not a list of 'name: value'", at: place(node))
    }
    var parts: [(name: String, node: Node)] = []
    for (key, value) in mapping {
      guard let text = key.string else {
        throw Diagnostic("a name in \(name) is no text", at: place(key))
      }
      if let keys, !keys.contains(text) {
        throw Diagnostic(
          "\(name) has no part '\(text)'", at: place(key),
          help: "there are: \(keys.joined(separator: ", "))")
      }
      guard !parts.contains(where: { $0.name == text }) else {
        throw Diagnostic("\(name) has '\(text)' twice", at: place(key))
      }
      parts.append((text, value))
    }
    return parts
  }

  func options(_ node: Node?, _ name: String) throws(Diagnostic) -> ExperimentConfig.Options {
    var options: ExperimentConfig.Options = []
    for (key, value) in try mapping(node, name, keys: nil) {
      guard !ExperimentConfig.ownOptions.contains(key) else {
        throw Diagnostic(
          "'\(key)' of \(name) is not for the file to say", at: place(value),
          help:
            "'rephase experiment' chooses data, outputs and --resume itself; it takes -o and --quiet"
        )
      }
      options.append((key, try values(value, key)))
    }
    return options
  }

  /// Names with options of their own; a list has names alone. One at least.
  func named(_ node: Node?, _ name: String) throws(Diagnostic) -> [ExperimentConfig.Entry] {
    guard let node, case .mapping = node else {
      let names = try list(node, name)
      if let twice = names.first(where: { name in names.count(where: { $0 == name }) > 1 }) {
        throw Diagnostic("\(name) has '\(twice)' twice", at: node.map(place))
      }
      let places = node?.sequence.map { $0.map(place) } ?? node.map { [place($0)] } ?? []
      return zip(names, places).map { .init(name: $0, options: [], place: $1) }
    }
    var all: [ExperimentConfig.Entry] = []
    for part in try mapping(node, name, keys: nil) {
      all.append(
        .init(
          name: part.name, options: try options(part.node, part.name), place: place(part.node)))
    }
    return all
  }

  /// A list of one text at least.
  func list(_ node: Node?, _ name: String) throws(Diagnostic) -> [String] {
    guard let node, node.null == nil else {
      throw Diagnostic("the experiment has no '\(name)'", at: SourceLocation(file: path))
    }
    return try values(node, name)
  }

  private func values(_ node: Node, _ name: String) throws(Diagnostic) -> [String] {
    if case .sequence(let sequence) = node, !sequence.isEmpty {
      var texts: [String] = []
      for item in sequence { texts.append(try scalar(item, name)) }
      return texts
    }
    return [try scalar(node, name)]
  }

  private func scalar(_ node: Node, _ name: String) throws(Diagnostic) -> String {
    guard case .scalar(let scalar) = node, node.null == nil else {
      throw Diagnostic("'\(name)' has no value", at: place(node))
    }
    return scalar.string
  }

  private func place(_ node: Node) -> SourceLocation {
    SourceLocation(file: path, line: node.mark?.line ?? 0, column: node.mark?.column ?? 0)
  }
}
