import Diagnostics
import GraphIR
import Operations
import Tensors
import Testing

@testable import Networks

/// Applies whatever the test gives to a tensor with so many channels.
private struct Formula: Network {
  let inputChannels: Int
  let formula: @Sendable (Value) -> Value

  init(_ channels: Int, _ formula: @escaping @Sendable (Value) -> Value) {
    inputChannels = channels
    self.formula = formula
  }

  func callAsFunction(_ x: Value) -> Value { formula(x) }
}

/// Numbers without an obvious pattern.
private func image(_ extents: [Int]) throws -> Tensor<Double> {
  var tensor = Tensor<Double>(try Shape(extents), repeating: 0)
  for place in tensor.values.indices { tensor.values[place] = Double((place * 37) % 101) / 50 - 1 }
  return tensor
}

/// The formula's value by the float64 reference.
private func value(
  _ x: Tensor<Double>, _ formula: @escaping @Sendable (Value) -> Value
) throws -> Tensor<Double> {
  let shape = x.shape
  let graph = try NetworkModel(Formula(shape[1], formula)).graph(
    batch: shape[0], height: shape[2], width: shape[3])
  return try Reference.evaluate(graph, inputs: [x], parameters: [:])[0]
}

struct CoilImageTests {
  @Test func complexProductsAreThoseOfComplexNumbers() throws {
    let x = try image([2, 4, 3, 5])
    for conjugating in [false, true] {
      let products = try value(x) { x in
        let coils = x.coilsAsBatch()
        let other = coils.padded(top: 1, bottom: -1, left: 0, right: 0)
        return coils.complexMultiplied(by: other, conjugating: conjugating).batchAsCoils(2)
      }
      #expect(products.shape == x.shape)
      for start in [0, 30, 60, 90] {
        for point in 0..<15 {
          let (a, b) = (x.values[start + point], x.values[start + 15 + point])
          let above = point < 5 ? nil : start + point - 5
          let (c, d) = (above.map { x.values[$0] } ?? 0, above.map { x.values[$0 + 15] } ?? 0)
          let sign = conjugating ? -1.0 : 1
          #expect(abs(products.values[start + point] - (a * c - sign * b * d)) < 1e-15)
          #expect(abs(products.values[start + 15 + point] - (b * c + sign * a * d)) < 1e-15)
        }
      }
    }
  }

  @Test func combiningUndoesExpandingByNormalizedSensitivities() throws {
    let x = try image([2, 6, 4, 3])
    let products = try value(x) { x in
      let maps = x.coilsAsBatch().normalizedOverCoils(3)
      let first = x.padded(top: 0, bottom: 0, left: 0, right: 0).coilsAsBatch()
      let image = first.combinedCoils(maps, coils: 3)
      return image.expandedToCoils(maps).combinedCoils(maps, coils: 3) - image
    }
    #expect(products.shape.extents == [2, 2, 4, 3])
    #expect(products.values.allSatisfy { abs($0) < 1e-14 })
  }

  @Test func sumsOfSquaresOfNothingAreNothingAndNaNStays() throws {
    var x = try image([1, 4, 2, 2])
    for place in [0, 4, 8, 12] { x.values[place] = 0 }
    x.values[1] = .nan
    let roots = try value(x) { $0.rootSumOfSquares() }
    #expect(roots.shape.extents == [1, 1, 2, 2])
    #expect(roots.values[0] < 1e-18 && roots.values[1].isNaN)
    let squares = [2, 6, 10, 14].reduce(0) { $0 + x.values[$1] * x.values[$1] }
    #expect(abs(roots.values[2] - squares.squareRoot()) < 1e-15)
    let maps = try value(x) { $0.coilsAsBatch().normalizedOverCoils(2) }
    #expect([0, 4, 8, 12].allSatisfy { maps.values[$0] == 0 })
    #expect([1, 5, 9, 13].allSatisfy { maps.values[$0].isNaN })
  }

  @Test func normalizedUNetsBringImagesBack() throws {
    // Without any pixel changed, the network's own mean and deviation are those of its image.
    let unet = NormUNet(filters: 2, pools: 1)
    let model = try NetworkModel(UNetAlone(unet: unet))
    var weights = Weights.initialized(model, seed: 1).doubles
    for name in weights.keys where name.hasSuffix("up_conv.0.1.weight") {
      weights[name] = weights[name]?.map { _ in 0 }
    }
    let graph = try model.graph(batch: 1, height: 5, width: 18)
    let x = try image([1, 2, 5, 18])
    let y = try Reference.evaluate(graph, inputs: [x], parameters: weights)[0]
    for part in 0..<2 {
      let mean = x.values[part * 90..<(part + 1) * 90].reduce(0, +) / 90
      #expect(y.values[part * 90..<(part + 1) * 90].allSatisfy { abs($0 - mean) < 1e-12 })
    }
  }

  @Test func impossibleOperandsAreRefused() {
    let formulas: [(Int, @Sendable (Value) -> Value)] = [
      (3, { $0.coilsAsBatch() }), (4, { $0.batchAsCoils(2) }), (2, { $0.batchAsCoils(2) }),
      (2, { $0.batchAsCoils(0) }), (4, { $0.complexMultiplied(by: $0) }),
      (4, { $0.coilsAsBatch().complexMultiplied(by: $0) }),
      (4, { $0.expandedToCoils($0.coilsAsBatch()) }),
      (
        6,
        {
          $0.coilsAsBatch().expandedToCoils(
            $0.coilsAsBatch().padded(top: 1, bottom: 0, left: 0, right: 0))
        }
      ),
      (4, { $0.coilsAsBatch().combinedCoils($0.coilsAsBatch(), coils: 3) }),
      (4, { $0.coilsAsBatch().combinedCoils($0.coilsAsBatch(), coils: 0) }),
      (2, { $0.padded(top: 2000, bottom: 0, left: 0, right: 0) }),
      (2, { $0.padded(top: -9, bottom: 0, left: 0, right: 0) }),
      (3, { NormUNet(filters: 1, pools: 1)($0) }),
    ]
    for (index, (channels, formula)) in formulas.enumerated() {
      let error = diagnostic {
        _ = try NetworkModel(Formula(channels, formula)).graph(batch: 1, height: 4, width: 4)
      }
      #expect(error != nil, "formula \(index)")
    }
  }
}

private struct UNetAlone: Network {
  let unet: NormUNet
  var inputChannels: Int { 2 }
  func callAsFunction(_ x: Value) -> Value { unet(x) }
}

struct VarNetTests {
  @Test func parametersAreNamedAsInFastMRI() throws {
    let model = try model("varnet", ["cascades": "1", "pools": "2", "sens_pools": "1"])
    #expect(
      model.parameters.map(\.name).filter { $0.hasPrefix("sens_net") } == [
        "sens_net.norm_unet.unet.down_sample_layers.0.layers.0.weight",
        "sens_net.norm_unet.unet.down_sample_layers.0.layers.4.weight",
        "sens_net.norm_unet.unet.conv.layers.0.weight",
        "sens_net.norm_unet.unet.conv.layers.4.weight",
        "sens_net.norm_unet.unet.up_transpose_conv.0.layers.0.weight",
        "sens_net.norm_unet.unet.up_conv.0.0.layers.0.weight",
        "sens_net.norm_unet.unet.up_conv.0.0.layers.4.weight",
        "sens_net.norm_unet.unet.up_conv.0.1.weight", "sens_net.norm_unet.unet.up_conv.0.1.bias",
      ])
    let names = Set(model.parameters.map(\.name))
    for name in [
      "dc_weight", "model.unet.down_sample_layers.1.layers.4.weight",
      "model.unet.up_transpose_conv.1.layers.0.weight", "model.unet.up_conv.0.layers.0.weight",
      "model.unet.up_conv.1.0.layers.0.weight", "model.unet.up_conv.1.1.bias",
    ] {
      #expect(names.contains("cascades.0.\(name)"))
    }
  }

  @Test func defaultsHaveFastMRIsCount() throws {
    #expect(try model("varnet").trainableCount == 29_936_966)
  }

  @Test func nothingGivesNothing() throws {
    for axis in LineMask.Axis.allCases {
      let settings = [
        "mask": "regular:3:4", "axis": axis.rawValue, "filters": "1", "coils": "2", "cascades": "2",
        "pools": "1", "sens_filters": "1", "sens_pools": "1",
      ]
      let model = try model("varnet", settings)
      #expect(ModelDescription(of: model.network).settings == settings)
      let graph = try model.graph(batch: 2, height: 18, width: 9)
      #expect(graph.types(of: graph.results).map(\.shape.extents) == [[2, 1, 18, 9]])
      let x = Tensor<Double>(try Shape([2, 4, 18, 9]), repeating: 0)
      let weights = Weights.initialized(model, seed: 3).doubles
      let y = try Reference.evaluate(graph, inputs: [x], parameters: weights)[0]
      #expect(y.values.allSatisfy { $0.isFinite && abs($0) < 1e-15 })
    }
  }

  @Test func anyScaleGivesTheScaledImage() throws {
    let settings = [
      "mask": "regular:3:4", "filters": "2", "coils": "2", "cascades": "2", "pools": "1",
      "sens_filters": "2", "sens_pools": "1",
    ]
    let model = try model("varnet", settings)
    let graph = try model.graph(batch: 1, height: 8, width: 12)
    let weights = Weights.initialized(model, seed: 3).doubles
    let x = try image([1, 4, 8, 12])
    let y = try [1, 1e6].map { scale in
      try Reference.evaluate(graph, inputs: [x.map { $0 * scale }], parameters: weights)[0].values
    }
    let largest = y[0].max() ?? 0
    #expect(zip(y[0], y[1]).allSatisfy { abs($0 - $1 * 1e-6) < 1e-9 * largest })
    var broken = x
    broken.values[5] = .nan
    let lost = try Reference.evaluate(graph, inputs: [broken], parameters: weights)[0]
    #expect(lost.values.allSatisfy { $0.isNaN })
  }

  @Test func refusesWhatIsNotPossible() throws {
    let central = try #require(
      diagnostic { _ = try model("varnet", ["mask": "regular:4:0"]) })
    #expect(central.message.contains("no central lines"))
    let small = try #require(
      diagnostic {
        _ = try model("varnet", ["mask": "regular:4:4"]).graph(batch: 1, height: 16, width: 16)
      })
    #expect(small.message.contains("one pixel after 4 poolings"))
    #expect(
      diagnostic { _ = try model("varnet", ["pools": "5"]) }?.help?.contains("1 to 4") == true)
    #expect(diagnostic { _ = try model("varnet", ["coils": "0"]) } != nil)
    let lines = diagnostic { _ = try model("varnet").graph(batch: 1, height: 64, width: 16) }
    #expect(lines?.message == "the mask regular:4:22 does not fit images of 16 columns")
  }
}
