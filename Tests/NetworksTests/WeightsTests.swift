import Diagnostics
import Foundation
import GraphIR
import Operations
import Tensors
import Testing

@testable import Networks

/// A safetensors file in memory with these weights.
private func file(
  _ weights: Weights, metadata: [String: String]? = nil, extra: [(String, AnyTensor)] = []
) throws -> Safetensors {
  let tensors = weights.tensors.map { ($0.key, AnyTensor.float32($0.value)) } + extra
  let bytes = try Safetensors.encode(tensors, metadata: metadata ?? weights.metadata)
  return try Safetensors(bytes, path: "w.safetensors")
}

private func read(_ file: Safetensors, _ model: NetworkModel) throws -> Weights {
  try Weights.read(file, path: "w.safetensors", for: model)
}

struct WeightsTests {
  @Test func initializationDependsOnTheSeedAlone() throws {
    let model = try model("resnet2")
    let first = try Weights.initialized(model, seed: 7).encoded(for: model)
    #expect(try Weights.initialized(model, seed: 7).encoded(for: model) == first)
    #expect(try Weights.initialized(model, seed: 8).encoded(for: model) != first)
  }

  @Test(arguments: ["resnet2", "unet"])
  func aNetworkThatAddsItsInputCanStartAsTheIdentity(_ name: String) throws {
    let network = try Zoo.network(named: name, settings: ["residual": "true"])
    let residual = try NetworkModel(network)
    #expect(network.identityParameters.count == 1)
    try expectIdentity(residual)
    #expect(try model(name).network.identityParameters == [])
  }

  @Test func aCascadeCanStartAsTheIdentity() throws {
    let cascade = try model("cascade2", ["filters": "2", "mask": "regular:3:2"])
    #expect(cascade.network.identityParameters.count == 2)
    try expectIdentity(cascade)
  }

  /// Zero kernels are the only difference to other fresh weights, and the reference gives its input.
  private func expectIdentity(_ model: NetworkModel) throws {
    let zeros = model.network.identityParameters
    let plain = Weights.initialized(model, seed: 7).tensors
    let identity = Weights.initialized(model, seed: 7, asIdentity: true)
    for (name, tensor) in plain {
      let isZero = identity.tensors[name]?.values.allSatisfy { $0 == 0 }
      if zeros.contains(name) {
        #expect(isZero == true)
      } else {
        #expect(identity.tensors[name] == tensor)
      }
    }
    #expect(zeros.allSatisfy { plain[$0]?.values.contains { $0 != 0 } == true })
    let shape = try Shape([1, model.network.inputChannels, 8, 12])
    let input = try Tensor(shape, (0..<shape.elementCount).map { Double($0 * 37 % 19) - 9 })
    let output = try Reference.evaluate(
      try model.graph(batch: 1, height: 8, width: 12), inputs: [input], parameters: identity.doubles
    )
    #expect(zip(output[0].values, input.values).allSatisfy { abs($0 - $1) < 1e-12 })
  }

  @Test func trainedWeightsFitTheirNetworks() throws {
    #expect(TrainedWeights.networks == ["cascade5", "resnet4"])
    for name in TrainedWeights.networks {
      let file = try #require(try TrainedWeights.file(for: name))
      let path = TrainedWeights.path(for: name)
      let description = try #require(try Weights.modelDescription(file.metadata, file: path))
      #expect(description.network == name)
      let settings = description.settings
      let model = try NetworkModel(try Zoo.network(named: name, settings: settings))
      #expect(!model.network.identityParameters.isEmpty, "it was trained from the identity")
      let weights = try Weights.read(file, path: path, for: model)
      #expect(weights.tensors.values.allSatisfy { $0.values.allSatisfy(\.isFinite) })
      #expect(file.metadata["training"] != nil)
    }
    #expect(try TrainedWeights.file(for: "resnet5") == nil)
  }

  @Test func streamsDependOnTheNameAndNotOnOtherLayers() throws {
    let small = Weights.initialized(try model("resnet1"), seed: 3).tensors
    let large = Weights.initialized(try model("resnet2"), seed: 3).tensors
    for (name, tensor) in small { #expect(large[name] == tensor) }
    #expect(small["blocks.0.conv1.weight"] != small["blocks.0.conv2.weight"])
  }

  /// The first numbers of SplitMix64 with seed 1234567, from the reference implementation's published test values.
  @Test func generatorIsSplitMix64() {
    var stream = SplitMix64(seed: 1_234_567)
    #expect(stream.next() == 6_457_827_717_110_365_317)
    #expect(stream.next() == 3_203_168_211_198_807_973)
  }

  /// Bits computed by an independent program in Python.
  @Test func bytesAreTheSameEverywhere() throws {
    let head = Weights.initialized(try model("resnet4"), seed: 2019).tensors["head.weight"]
    #expect(head?.values.prefix(3).map(\.bitPattern) == [0xBE02_403C, 0xBD2C_1FEF, 0xBD87_4CE7])
  }

  @Test func weightsAreUniformWithinGlorotsLimits() throws {
    let weights = Weights.initialized(try model("resnet4"), seed: 1).tensors
    let kernel = try #require(weights["blocks.1.conv1.weight"]).values
    let limit = Float((6.0 / (2 * 32 * 9)).squareRoot())
    let largest = kernel.map(abs).max() ?? 0
    #expect(largest <= limit && largest > 0.99 * limit)
    let mean = kernel.reduce(0, +) / Float(kernel.count)
    let variance = kernel.reduce(0) { $0 + $1 * $1 } / Float(kernel.count)
    #expect(abs(mean) < 0.03 * limit)
    #expect(abs(variance / (limit * limit / 3) - 1) < 0.05)
    #expect(Initializer.glorotLimit(try Shape([32, 1, 3, 3])) == (6.0 / (33 * 9)).squareRoot())
    #expect(weights["head.bias"]?.values.allSatisfy { $0 == 0 } == true)
    #expect(weights["blocks.1.norm1.running_var"]?.values.allSatisfy { $0 == 1 } == true)
    #expect(weights["blocks.1.norm1.running_mean"]?.values.allSatisfy { $0 == 0 } == true)
  }

  @Test func tinyResNetRunsInTheReference() throws {
    let model = try model("resnet1", ["filters": "2", "residual": "true"])
    let graph = try model.graph(batch: 1, height: 8, width: 8)
    let weights = Weights.initialized(model, seed: 5)
    let image = try Tensor(Shape([1, 1, 8, 8]), (0..<64).map { Double($0) / 64 })
    let results = try Reference.evaluate(graph, inputs: [image], parameters: weights.doubles)
    #expect(results[0].shape == image.shape)
    #expect(results[0].values.allSatisfy { $0.isFinite })
    #expect(results[0] != image)

    // Without weights, the tail gives zero and the residual the image itself.
    let zeros = weights.doubles.mapValues { $0.map { _ in 0.0 } }
    #expect(try Reference.evaluate(graph, inputs: [image], parameters: zeros)[0] == image)
  }

  @Test func filesComeBackAsTheyWere() throws {
    let model = try model("unet", ["filters": "2"])
    var weights = Weights.initialized(model, seed: 9)
    weights.metadata["epoch"] = "3"
    let path = FileManager.default.temporaryDirectory
      .appendingPathComponent("weights-\(UUID().uuidString).safetensors").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    try weights.write(to: path, for: model)
    let back = try Weights.read(path, for: model)
    #expect(back.tensors == weights.tensors)
    #expect(
      back.metadata == [
        "network": "unet", "settings": "channels=1,filters=2,residual=false", "epoch": "3",
        "format": Weights.format,
      ])
    let signature = WeightShape.signature(of: try model.graph(batch: 1, height: 8, width: 8))
    #expect(Set(signature) == Set(model.signature))
  }

  @Test func allDifferencesAreListedAtOnce() throws {
    let model = try model("resnet1")
    var weights = Weights.initialized(model, seed: 1)
    weights.tensors["head.bias"] = nil
    weights.tensors["tail.conv1.bias"] = Tensor(try Shape([3]), repeating: 0)
    weights.tensors["stray"] = Tensor(try Shape([2]), repeating: 0)
    let error = try #require(diagnostic { _ = try read(file(weights), model) })
    #expect(error.message == "the weight file does not fit the model: 3 differences")
    #expect(
      error.notes == [
        "'head.bias' [32] is missing",
        "'tail.conv1.bias' has the shape [3], the model takes [32]",
        "'stray' [2] is not in the model",
      ])
    #expect(error.location?.file == "w.safetensors")
  }

  @Test func manyDifferencesAreCounted() throws {
    let weights = Weights.initialized(try model("resnet1"), seed: 1)
    let file = try file(weights, metadata: [:])
    let error = try #require(diagnostic { _ = try read(file, model("unet")) })
    #expect(error.notes.count == 13)
    #expect(error.notes.last == "and 28 more")
  }

  @Test func batchCountsOfPyTorchAreIgnored() throws {
    let model = try model("resnet1")
    let weights = Weights.initialized(model, seed: 1)
    let name = "blocks.0.norm1.num_batches_tracked"
    let count = AnyTensor.int64(Tensor(.scalar, repeating: 4))
    #expect(throws: Never.self) { try read(file(weights, extra: [(name, count)]), model) }
    let wrong = AnyTensor.float32(Tensor(.scalar, repeating: 4))
    #expect(throws: Diagnostic.self) { try read(file(weights, extra: [(name, wrong)]), model) }
  }

  @Test func vggTakesTheWholeNetworksFile() throws {
    let model = try model("vgg16-features")
    let weights = Weights.initialized(model, seed: 1)
    let more = AnyTensor.float32(Tensor(try Shape([3]), repeating: 1))
    let back = try read(file(weights, extra: [("classifier.0.bias", more)]), model)
    #expect(back.tensors == weights.tensors)
  }

  @Test func weightsMustBeFloat32() throws {
    let model = try model("resnet1")
    var weights = Weights.initialized(model, seed: 1)
    weights.tensors["head.bias"] = nil
    let double = AnyTensor.float64(Tensor(try Shape([32]), repeating: 1))
    let error = diagnostic { _ = try read(file(weights, extra: [("head.bias", double)]), model) }
    #expect(error?.message.contains("is F64, not F32") == true)
  }

  @Test func metadataNamesTheModel() throws {
    let weights = Weights.initialized(try model("resnet2", ["filters": "8"]), seed: 1)
    let description = try #require(
      try Weights.modelDescription(weights.metadata, file: "w.safetensors"))
    let again = try model(description.network, description.settings)
    #expect(try read(file(weights), again).tensors == weights.tensors)
    #expect(try Weights.modelDescription(["other": "x"], file: "w") == nil)
  }

  @Test func contradictionsAreErrors() throws {
    let weights = Weights.initialized(try model("resnet2", ["filters": "8"]), seed: 1)
    let description = try #require(try Weights.modelDescription(weights.metadata, file: "w"))
    #expect(
      try description.merged(network: "resnet2", settings: ["filters": "08"], file: "w")
        == description)
    let name = diagnostic { _ = try description.merged(network: "unet", settings: [:], file: "w") }
    #expect(name?.message == "the weights are those of network 'resnet2', not 'unet'")
    let setting = diagnostic {
      _ = try description.merged(network: nil, settings: ["filters": "32"], file: "w")
    }
    #expect(
      setting?.message == "the weights are those of resnet2 with filters=8, not filters=32")
    let residual = try model("resnet2", ["filters": "8", "residual": "true"])
    #expect(throws: Diagnostic.self) { try read(file(weights), residual) }
  }

  @Test(arguments: ["filters", "=3", "filters=1,filters=1", "a=1,b"])
  func malformedSettingsAreRefused(text: String) {
    #expect(throws: Diagnostic.self) {
      try Weights.modelDescription(["network": "unet", "settings": text], file: "w")
    }
  }
}
