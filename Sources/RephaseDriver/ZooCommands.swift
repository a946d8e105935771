import ArgumentParser
import Diagnostics
import Networks
import Operations
import Tensors

struct ModelsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "models", abstract: "List the networks that Rephase knows by name.")

  @Option(help: "Rows and columns of an image, as HxW.")
  var size = SizeOption(.init(height: 192, width: 128))

  @Flag(help: "As a JSON list.")
  var json = false

  private struct Row: Encodable {
    var name: String
    var parameters: Int
    var multiplyAdds: Int
    var settings: [String: String]
    enum CodingKeys: String, CodingKey {
      case name, parameters, settings
      case multiplyAdds = "multiply_adds"
    }
  }

  func run() throws {
    var rows: [Row] = []
    var networks: [any Network] = []
    if let own = UserNetwork.current.withLock({ $0 }) { networks.append(own) }
    for name in Zoo.names { networks.append(try Zoo.network(named: name)) }
    for network in networks {
      let model = try NetworkModel(network)
      let settings = Dictionary(
        network.settings.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
      rows.append(
        Row(
          name: network.name, parameters: model.trainableCount,
          multiplyAdds: try model.multiplyAdds(height: size.size.height, width: size.size.width),
          settings: settings))
    }
    if json {
      try Console.json(rows)
      return
    }
    print("name                parameters   multiply-adds  settings (at \(size.size))")
    for row in rows {
      let settings = row.settings.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
      print(
        Self.padded(row.name, 18) + Self.padded("\(row.parameters)", -12)
          + Self.padded("\(row.multiplyAdds)", -16) + "  " + settings.joined(separator: " "))
    }
  }

  /// To a width; a negative one sets the text to the right.
  private static func padded(_ text: String, _ width: Int) -> String {
    let blanks = String(repeating: " ", count: max(0, abs(width) - text.count))
    return width < 0 ? blanks + text : text + blanks
  }
}

struct InitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init", abstract: "Make fresh weights (Glorot uniform, zero bias).")

  @OptionGroup var options: ModelOptions

  @Option(help: "The same seed gives the same bytes.")
  var seed: UInt64 = 1

  @Option(name: .shortAndLong, help: "The safetensors file to write.")
  var output: String

  func run() throws {
    guard options.weights == nil else {
      throw ValidationError("init makes weights; it takes no --weights")
    }
    guard let model = try options.network() else {
      throw Diagnostic(
        "init needs a network, not a dump", help: "give a zoo name, or your own network as 'self'")
    }
    try Weights.initialized(model, seed: seed).write(to: output, for: model)
  }
}

struct OperationsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "operations",
    abstract: "Write the reference of all operations (IR/Operations.md) from their declarations.")

  @Option(name: .shortAndLong, help: "The file to write; - is standard output.")
  var output = "-"

  func run() throws {
    try Output.write(OperationDocumentation.markdown(), to: output)
  }
}
