import Diagnostics

/// The networks that Rephase knows by name.
public enum Zoo {
  public static let resNetBlocks = 1...16
  public static let cascades = 1...8

  /// Every name, in the order in which `models` lists them.
  public static let names: [String] =
    resNetBlocks.map { "resnet\($0)" } + ["unet"] + cascades.map { "cascade\($0)" }
    + ["varnet", "vgg16-features"]

  /// Whether a network has this name.
  public static func contains(_ name: String) -> Bool { names.contains(name) }

  /// The network of a name with settings as `--set key=value` gives them; the others have their defaults.
  ///
  /// Throws, naming the choices, for unknown names, settings and values.
  public static func network(
    named name: String, settings: [String: String] = [:]
  ) throws(Diagnostic) -> any Network {
    guard names.contains(name) else {
      let isPath = name.contains("/") || name.contains(".")
      throw Diagnostic(
        isPath ? "there is no file '\(name)'" : "there is no network '\(name)'",
        help: isPath
          ? "check the path"
          : "choose resnet1 to resnet16, unet, cascade1 to cascade8, varnet or vgg16-features, or give a .rir file"
      )
    }
    var reader = SettingReader(network: name, settings: settings)
    let network: any Network
    switch name {
    case "unet": network = UNet(try unet(&reader))
    case "varnet": network = VarNet(try varNet(&reader))
    case "vgg16-features": network = VGG16Features()
    case let name where name.hasPrefix("cascade"):
      network = Cascade(try cascade(Int(name.dropFirst(7)) ?? 5, &reader))
    default: network = ResNet(try resNet(Int(name.dropFirst(6)) ?? 4, &reader))
    }
    try reader.finish()
    return network
  }

  private static func resNet(
    _ blocks: Int, _ reader: inout SettingReader
  ) throws(Diagnostic) -> ResNet.Configuration {
    var configuration = ResNet.Configuration()
    configuration.blocks = try reader.integer("blocks", blocks, in: resNetBlocks)
    guard configuration.blocks == blocks else {
      throw Diagnostic(
        "blocks=\(configuration.blocks) contradicts the name resnet\(blocks)",
        help: "use resnet\(configuration.blocks), or leave blocks out")
    }
    configuration.filters = try reader.integer("filters", configuration.filters, in: 1...1024)
    configuration.kernel = try reader.integer("kernel", configuration.kernel, in: 1...15)
    guard configuration.kernel % 2 == 1 else {
      throw Diagnostic(
        "kernel=\(configuration.kernel) is even, so that the output would be shifted",
        help: "choose an odd number of 1 to 15")
    }
    configuration.channels = try reader.integer("channels", configuration.channels, in: 1...2)
    configuration.residual = try reader.flag("residual", configuration.residual)
    return configuration
  }

  private static func cascade(
    _ cascades: Int, _ reader: inout SettingReader
  ) throws(Diagnostic) -> Cascade.Configuration {
    var configuration = Cascade.Configuration(mask: try mask(&reader))
    configuration.cascades = cascades
    configuration.filters = try reader.integer("filters", configuration.filters, in: 1...1024)
    return configuration
  }

  private static func mask(_ reader: inout SettingReader) throws(Diagnostic) -> LineMask {
    let axis = try reader.value("axis", "columns", "rows or columns", LineMask.Axis.init)
    return try LineMask(parsing: try reader.text("mask", "regular:4:22"), axis: axis)
  }

  private static func varNet(
    _ reader: inout SettingReader
  ) throws(Diagnostic) -> VarNet.Configuration {
    var configuration = VarNet.Configuration(mask: try mask(&reader))
    guard configuration.mask.centre > 0 else {
      throw Diagnostic(
        "the mask \(configuration.mask.text) has no central lines, of which varnet estimates sensitivities",
        help: "use one with central lines, such as regular:4:22")
    }
    func set(
      _ name: String, _ setting: WritableKeyPath<VarNet.Configuration, Int>,
      _ range: ClosedRange<Int>
    ) throws(Diagnostic) {
      configuration[keyPath: setting] = try reader.integer(
        name, configuration[keyPath: setting], in: range)
    }
    try set("coils", \.coils, 1...128)
    try set("cascades", \.cascades, 1...64)
    try set("filters", \.filters, 1...1024)
    try set("pools", \.pools, NormUNet.poolings)
    try set("sens_filters", \.sensitivityFilters, 1...1024)
    try set("sens_pools", \.sensitivityPools, NormUNet.poolings)
    return configuration
  }

  private static func unet(_ reader: inout SettingReader) throws(Diagnostic) -> UNet.Configuration {
    var configuration = UNet.Configuration()
    configuration.filters = try reader.integer("filters", configuration.filters, in: 1...1024)
    configuration.channels = try reader.integer("channels", configuration.channels, in: 1...2)
    configuration.residual = try reader.flag("residual", configuration.residual)
    return configuration
  }
}

/// Hands out settings one by one and complains about those that are wrong or left over.
struct SettingReader {
  let network: String
  private var remaining: [String: String]
  private var known: [String] = []

  init(network: String, settings: [String: String]) {
    self.network = network
    remaining = settings
  }

  mutating func integer(
    _ name: String, _ standard: Int, in range: ClosedRange<Int>
  ) throws(Diagnostic) -> Int {
    known.append(name)
    guard let text = remaining.removeValue(forKey: name) else { return standard }
    guard let value = Int(text), range.contains(value) else {
      throw Diagnostic(
        "the setting \(name)=\(text) of \(network) is not possible",
        help: "choose a whole number of \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  mutating func flag(_ name: String, _ standard: Bool) throws(Diagnostic) -> Bool {
    try value(name, "\(standard)", "true or false", Bool.init)
  }

  mutating func text(_ name: String, _ standard: String) throws(Diagnostic) -> String {
    try value(name, standard, "a text") { $0 }
  }

  /// What `meaning` makes of the setting's text, or of the standard one; nil is refused.
  mutating func value<Value>(
    _ name: String, _ standard: String, _ choices: String, _ meaning: (String) -> Value?
  ) throws(Diagnostic) -> Value {
    known.append(name)
    let text = remaining.removeValue(forKey: name) ?? standard
    guard let value = meaning(text) else {
      throw Diagnostic(
        "the setting \(name)=\(text) of \(network) is not possible", help: "choose \(choices)")
    }
    return value
  }

  /// Throws where a setting is left that the network does not have.
  func finish() throws(Diagnostic) {
    guard let name = remaining.keys.min() else { return }
    let choices = known.sorted().joined(separator: ", ")
    throw Diagnostic(
      "\(network) has no setting '\(name)'",
      help: known.isEmpty ? "leave it out: \(network) has none" : "its settings are \(choices)")
  }
}
