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
    commandName: "init", abstract: "Make fresh weights (Glorot uniform, zero bias).",
    discussion: """
      With --identity they are those that 'train' starts with: the last kernel of a network with \
      residual=true, or of each subnetwork of a cascade, is zero, so that it gives its input. With \
      --trained they are not fresh but those that come with rephase, or those in an .onnx file. \
      Weights are the same for any --batch, --size, --target, --threads and --precision.
      """)

  @OptionGroup var options: ModelOptions

  @Option(help: "The same seed gives the same bytes (default: 1).")
  var seed: UInt64?

  @Flag(help: "Make a network that adds its input give nothing but its input.")
  var identity = false

  @Flag(
    help:
      "The trained weights that come with rephase, for networks that have some, or an .onnx file's."
  )
  var trained = false

  @Option(name: .shortAndLong, help: "The safetensors file to write; - is standard output.")
  var output: String

  func validate() throws {
    guard !(identity && trained) else {
      throw ValidationError("give --identity or --trained, not both")
    }
    try refuse(["--seed": seed != nil], without: "fresh weights; --trained makes none", !trained)
  }

  func run() throws {
    guard options.weights == nil else {
      throw ValidationError("init makes weights; it takes no --weights")
    }
    if trained, options.isONNX {
      let weights = try options.resolve(needsWeights: true).weights
      return try Output.write(try Weights(weights).encoded(), to: output)
    }
    let (model, weights) = try trained ? trainedWeights() : freshWeights()
    try Output.write(try weights.encoded(for: model), to: output)
  }

  private func freshWeights() throws -> (NetworkModel, Weights) {
    guard let model = try options.network() else {
      throw Diagnostic(
        "fresh weights need a network of which rephase knows how they are made, not a file",
        help: options.dumpedNetwork.map { "give its name, \($0)" }
          ?? "give a zoo name, or your own network as 'self'; the weights in an .onnx file are written with --trained"
      )
    }
    guard !identity || !model.network.identityParameters.isEmpty else {
      throw Diagnostic(
        "\(model.name) cannot be the identity: it does not add its input to its output",
        help: "give --set residual=true")
    }
    return (model, Weights.initialized(model, seed: seed ?? 1, asIdentity: identity))
  }

  private func trainedWeights() throws -> (NetworkModel, Weights) {
    guard let name = options.model, TrainedWeights.networks.contains(name) else {
      let names = TrainedWeights.networks.joined(separator: ", ")
      throw Diagnostic(
        "no trained weights come with rephase for \(options.model ?? "no MODEL")",
        help: "there are some for \(names)")
    }
    guard let file = try TrainedWeights.file(for: name),
      let model = try options.network(orTrained: true)
    else { throw Diagnostic("the weights of \(name) in this program name no network") }
    return (model, try Weights.read(file, path: TrainedWeights.path(for: name), for: model))
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
