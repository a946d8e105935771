import Diagnostics
import GraphIR
import Operations
import Tensors
import Testing

@testable import Networks

/// The model of a zoo name.
func model(_ name: String, _ settings: [String: String] = [:]) throws -> NetworkModel {
  try NetworkModel(Zoo.network(named: name, settings: settings))
}

/// What a call throws.
func diagnostic(_ body: () throws -> Void) -> Diagnostic? {
  do {
    try body()
    return nil
  } catch { return error as? Diagnostic }
}

struct ZooTests {
  @Test(arguments: 1...16)
  func resNetsHaveThePublishedCounts(blocks: Int) throws {
    let model = try model("resnet\(blocks)")
    #expect(model.name == "resnet\(blocks)")
    #expect(model.trainableCount == 320 + blocks * 18_624 + 9248 + 289)
    #expect(model.parameters.count == 2 + blocks * 12 + 4)
  }

  @Test func defaultsHaveThePublishedCounts() throws {
    #expect(try model("resnet4").trainableCount == 84_353)
    #expect(try model("unet").trainableCount == 1_328_833)
    #expect(try model("vgg16-features").trainableCount == 555_328)
    #expect(try model("unet", ["channels": "2"]).trainableCount == 1_329_474)
  }

  @Test func resNetParametersAreNamedAsInPyTorch() throws {
    let names = try model("resnet1").parameters.map(\.name)
    #expect(
      names == [
        "head.weight", "head.bias", "blocks.0.conv1.weight", "blocks.0.conv1.bias",
        "blocks.0.norm1.weight", "blocks.0.norm1.bias", "blocks.0.norm1.running_mean",
        "blocks.0.norm1.running_var", "blocks.0.conv2.weight", "blocks.0.conv2.bias",
        "blocks.0.norm2.weight", "blocks.0.norm2.bias", "blocks.0.norm2.running_mean",
        "blocks.0.norm2.running_var", "tail.conv1.weight", "tail.conv1.bias", "tail.conv2.weight",
        "tail.conv2.bias",
      ])
  }

  @Test func unetParametersAreNamedAsInPyTorch() throws {
    let layers = [
      "down1.conv1", "down1.conv2", "down2.conv1", "down2.conv2", "bottom.conv1", "bottom.conv2",
      "up2.conv1", "up2.conv2", "up1.conv1", "up1.conv2", "out",
    ]
    let parameters = try model("unet").parameters
    #expect(parameters.map(\.name) == layers.flatMap { [$0 + ".weight", $0 + ".bias"] })
    let widths = [64, 64, 128, 128, 256, 128, 128, 64, 64, 64, 1]
    #expect(parameters.filter { $0.shape.rank == 1 }.map { $0.shape[0] } == widths)
  }

  @Test func vggParametersAreNamedAsInTorchvision() throws {
    let model = try model("vgg16-features")
    let numbers = ["0", "2", "5", "7", "10"]
    #expect(
      model.parameters.map(\.name)
        == numbers.flatMap { ["features.\($0).weight", "features.\($0).bias"] })
    let graph = try model.graph(batch: 2, height: 16, width: 12)
    #expect(graph.name == "vgg16_features")
    #expect(
      graph.types(of: graph.results).map(\.shape.extents)
        == [[2, 64, 16, 12], [2, 128, 8, 6], [2, 256, 4, 3]])
  }

  @Test func multiplyAddsAreThePublishedOnes() throws {
    func giga(_ name: String) throws -> Double {
      Double(try model(name).multiplyAdds(height: 192, width: 128)) / 1e9
    }
    #expect(abs(try giga("resnet4") - 2.05) < 0.01)
    #expect(abs(try giga("unet") - 8.17) < 0.01)
    #expect(abs(try giga("vgg16-features") - 2.76) < 0.01)
  }

  @Test(arguments: Zoo.names)
  func dumpsParseBack(name: String) throws {
    let graph = try model(name).graph(batch: 1, height: 24, width: 24)
    let text = GraphPrinter.text(Module([graph]))
    let parsed = try GraphParser.parse(text, file: "dump", table: OperationRegistry.table)
    #expect(GraphPrinter.text(parsed) == text)
  }

  @Test func dumpsPointIntoTheNetworksSwift() throws {
    let graph = try model("resnet1").graph(batch: 1, height: 8, width: 8)
    #expect(graph.nodes.allSatisfy { $0.location?.file == "ResNet.swift" })
    #expect(graph.nodes.allSatisfy { ($0.location?.line ?? 0) > 0 })
    let text = GraphPrinter.text(Module([graph]))
    #expect(text.contains("%blocks.0.norm1 = batch_norm_inference %blocks.0.conv1, "))
  }

  @Test func settingsChangeTheNetwork() throws {
    let settings = ["filters": "8", "kernel": "5", "channels": "2", "residual": "true"]
    let resNet = try model("resnet2", settings)
    #expect(resNet.parameters[0].shape.extents == [8, 2, 5, 5])
    #expect(
      ModelDescription(of: resNet.network).settingsText
        == "blocks=2,channels=2,filters=8,kernel=5,residual=true")
    let graph = try resNet.graph(batch: 3, height: 7, width: 9)
    #expect(graph.types(of: graph.results).map(\.shape.extents) == [[3, 2, 7, 9]])
    #expect(graph.nodes.last?.operation is Add)
    #expect(graph.nodes.last?.operands.first == graph.arguments[0])

    let plain = try model("resnet2").graph(batch: 1, height: 1, width: 1)
    #expect(plain.nodes.last?.operation is Convolution)
    #expect(try model("unet", ["filters": "3"]).parameters[2].shape.extents == [3, 3, 3, 3])
  }

  @Test(arguments: [
    ("resnet17", [:], "there is no network 'resnet17'", "choose resnet1 to resnet16, unet"),
    ("resnet04", [:], "there is no network 'resnet04'", "choose"),
    ("", [:], "there is no network ''", "choose"),
    ("unet", ["blocks": "3"], "unet has no setting 'blocks'", "channels, filters, residual"),
    ("vgg16-features", ["channels": "3"], "vgg16-features has no setting", "leave it out"),
    ("resnet4", ["blocks": "3"], "contradicts the name resnet4", "use resnet3"),
    ("resnet4", ["blocks": "99"], "blocks=99 of resnet4 is not possible", "1 to 16"),
    ("resnet4", ["filters": "0"], "filters=0 of resnet4 is not possible", "1 to 1024"),
    ("resnet4", ["filters": "99999999999999999999"], "filters=9999", "1 to 1024"),
    ("resnet4", ["kernel": "4"], "kernel=4 is even", "choose an odd number"),
    ("resnet4", ["kernel": "x"], "kernel=x of resnet4 is not possible", "1 to 15"),
    ("unet", ["channels": "3"], "channels=3 of unet is not possible", "1 to 2"),
    ("cascade9", [:], "there is no network 'cascade9'", "cascade1 to cascade8"),
    ("cascade2", ["mask": "regular:4"], "'regular:4' is not a mask", "regular:EVERY:CENTRE"),
    ("cascade2", ["mask": "regular:4:8:4"], "'regular:4:8:4' is not a mask", "below EVERY"),
    ("cascade2", ["axis": "x"], "axis=x of cascade2 is not possible", "rows or columns"),
    ("unet", ["residual": "yes"], "residual=yes of unet is not possible", "choose true or false"),
  ])
  func refusesWrongSettings(
    name: String, settings: [String: String], message: String, help: String
  ) throws {
    let error = try #require(diagnostic { _ = try model(name, settings) })
    #expect(error.message.contains(message))
    #expect(error.help?.contains(help) == true)
  }

  @Test func cascadesPutTheMeasuredLinesBack() throws {
    for axis in LineMask.Axis.allCases {
      let settings = ["mask": "regular:3:2:1", "axis": axis.rawValue, "filters": "2"]
      let model = try model("cascade2", settings)
      #expect(ModelDescription(of: model.network).settings == settings)
      var function = try model.graph(batch: 2, height: 7, width: 8)
      let images = [function.arguments[0], function.results[0]]
      function.results = try images.flatMap { try function.append(FFT(.forward), [$0]) }
      var input = Tensor<Double>(try Shape([2, 2, 7, 8]), repeating: 0)
      for place in input.values.indices { input.values[place] = Double((place * 37) % 19) - 9 }
      let weights = Weights.initialized(model, seed: 3).doubles
      let kSpace = try Reference.evaluate(function, inputs: [input], parameters: weights)
      let measured = axis == .rows ? [1, 2, 3, 4] : [1, 3, 4, 7]
      for place in input.values.indices {
        let line = axis == .rows ? place / 8 % 7 : place % 8
        let difference = abs(kSpace[0].values[place] - kSpace[1].values[place])
        #expect((difference < 1e-12) == measured.contains(line), "\(axis) \(line): \(difference)")
      }
    }
  }

  @Test func cascadesRefuseMasksThatDoNotFit() throws {
    let error = diagnostic {
      _ = try model("cascade1").graph(batch: 1, height: 32, width: 16)
    }
    #expect(error?.message == "the mask regular:4:22 does not fit images of 16 columns")
  }

  @Test func theUNetNamesTheNextPossibleSize() throws {
    let unet = try model("unet", ["filters": "1"])
    let error = try #require(diagnostic { _ = try unet.graph(batch: 1, height: 190, width: 128) })
    #expect(error.message.contains("multiples of 4, not 190x128"))
    #expect(error.help == "pad the images to 192x128")
    #expect(throws: Never.self) { try unet.graph(batch: 1, height: 4, width: 8) }
  }

  @Test(arguments: [(0, 8, 8), (1, -1, 8), (1, 8, 0), (1, 1 << 40, 1 << 40), (.max, .max, 4)])
  func refusesImpossibleSizes(batch: Int, height: Int, width: Int) throws {
    for name in ["resnet1", "unet", "vgg16-features"] {
      let model = try model(name)
      #expect(throws: Diagnostic.self) {
        try model.graph(batch: batch, height: height, width: width)
      }
      #expect(throws: Diagnostic.self) { try UNet().check(height: .max, width: .min + 1) }
    }
  }

  @Test func vggRefusesImagesThatPoolToNothing() throws {
    let vgg = try model("vgg16-features")
    let error = try #require(diagnostic { _ = try vgg.graph(batch: 1, height: 3, width: 64) })
    #expect(error.message.contains("at least 4x4, not 3x64"))
  }
}
