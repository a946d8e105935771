import Diagnostics
import GraphIR
import Operations
import Tensors
import Testing

@testable import Networks

/// A layer that stands at two places has shared weights.
private struct Shared: Network {
  let inputChannels = 2
  let first: Conv2D
  let again: Conv2D
  let rest: [Conv2D?]

  init() {
    first = Conv2D(2, 2)
    again = first
    rest = [nil, Conv2D(2, 1, kernel: 1)]
  }

  func callAsFunction(_ x: Value) -> Value {
    let y = again(first(x))
    return rest[1].map { $0(y) } ?? y
  }
}

/// Adds an image of two channels to one of three.
private struct Mismatched: Network {
  let inputChannels = 3
  let layer = Conv2D(3, 2)
  static let line = #line + 3

  func callAsFunction(_ x: Value) -> Value {
    let y = x + layer(x)
    return y.relu().maxPooled().upsampled()
  }
}

private struct WrongChannels: Network {
  let inputChannels = 1
  let layer = Conv2D(3, 2)
  static let line = #line + 3

  func callAsFunction(_ x: Value) -> Value {
    layer(x)
  }
}

private struct Computed: Network {
  let inputChannels = 1
  var layer: Conv2D { Conv2D(1, 1) }
  func callAsFunction(_ x: Value) -> Value { layer(x) }
}

private struct Unordered: Network {
  let inputChannels = 1
  let layers = ["a": Conv2D(1, 1)]
  func callAsFunction(_ x: Value) -> Value { x }
}

/// Applies whatever the test gives.
private struct Formula: Network {
  let inputChannels = 1
  let formula: @Sendable (Value) -> [Value]

  init(_ formula: @escaping @Sendable (Value) -> [Value]) { self.formula = formula }
  func callAsFunction(_ x: Value) -> Value { x }
  func outputs(_ x: Value) -> [Value] { formula(x) }
}

private func trace(_ network: any Network) throws -> Function {
  try NetworkModel(network).graph(batch: 1, height: 4, width: 4)
}

struct TracingTests {
  @Test func sharedParametersCountOnceUnderTheirFirstPath() throws {
    let model = try NetworkModel(Shared())
    #expect(
      model.parameters.map(\.name)
        == ["first.weight", "first.bias", "rest.1.weight", "rest.1.bias"])
    let graph = try model.graph(batch: 1, height: 4, width: 4)
    #expect(graph.nodes.filter { $0.operation is ParameterOperation }.count == 4)
    #expect(graph.nodes.filter { $0.operation is Convolution }.count == 3)
    #expect(graph.name == "Shared")
  }

  @Test func errorsPointIntoTheUsersSwift() throws {
    let sum = try #require(diagnostic { _ = try trace(Mismatched()) })
    #expect(sum.message.contains("add takes operands of one type"))
    #expect(sum.location == SourceLocation(file: "TracingTests.swift", line: Mismatched.line))

    let channels = try #require(diagnostic { _ = try trace(WrongChannels()) })
    #expect(channels.message.contains("takes 3 channels"))
    #expect(
      channels.location == SourceLocation(file: "TracingTests.swift", line: WrongChannels.line))
  }

  @Test func layersMustBeStored() throws {
    let computed = try #require(diagnostic { _ = try trace(Computed()) })
    #expect(computed.message.contains("no stored property"))
    #expect(computed.location?.file == "TracingTests.swift")
    let unordered = try #require(diagnostic { _ = try trace(Unordered()) })
    #expect(unordered.message.contains("'layers' keeps layers in a dictionary"))
  }

  @Test func impossibleArgumentsAreRefused() {
    let formulas: [@Sendable (Value) -> [Value]] = [
      { [$0.maxPooled(0)] }, { [$0.maxPooled(5)] }, { [$0.upsampled(by: -1)] },
      { [$0.upsampled(by: 65)] }, { _ in [] },
      { [$0.convolved(with: $0, bias: nil, padding: [1])] },
      { [$0.convolved(with: $0, bias: nil, padding: [0, 0, 0, 0], strides: [0, 1])] },
      { [$0.convolved(with: $0, bias: $0, padding: [0, 0, 0, -1])] },
      { [$0.concatenated(with: $0.maxPooled())] }, { [$0.leakyReLU(2)] },
      { [$0.averagePooled(0)] }, { [$0.averagePooled(5)] },
    ]
    for (index, formula) in formulas.enumerated() {
      let error = diagnostic { _ = try trace(Formula(formula)) }
      #expect(error != nil, "formula \(index)")
    }
  }

  @Test func valuesOfAnotherTraceAreRefused() throws {
    let type = TensorType(try Shape([1, 1, 4, 4]), .f32)
    let error = diagnostic {
      let (first, second) = (Tracer("a", parameters: []), Tracer("b", parameters: []))
      let (a, b) = (first.argument(type, name: "x"), second.argument(type, name: "x"))
      _ = try first.finish([a.adding(b)])
    }
    #expect(error?.message.contains("another network's trace") == true)
  }

  @Test func invalidSizesOfLayersAreRefused() {
    struct Sized: Network {
      let inputChannels = 1
      let layer: Conv2D
      func callAsFunction(_ x: Value) -> Value { layer(x) }
    }
    let layers = [
      Conv2D(0, 1), Conv2D(1, -1), Conv2D(.max, .max), Conv2D(1, 1, kernel: 0),
      Conv2D(1 << 20, 1 << 10, kernel: 2),
    ]
    for layer in layers {
      let error = diagnostic { _ = try trace(Sized(layer: layer)) }
      #expect(error?.help != nil)
    }
    let stride = diagnostic { _ = try trace(Sized(layer: Conv2D(1, 1, stride: 0))) }
    #expect(stride?.message == "convolution with strides [0, 0] is not possible")
    let dilation = diagnostic { _ = try trace(Sized(layer: Conv2D(1, 1, dilation: .max))) }
    #expect(dilation?.message.hasPrefix("convolution with dilation [\(Int.max)") == true)
    let groups = diagnostic { _ = try trace(Sized(layer: Conv2D(1, 1, groups: 0))) }
    #expect(groups?.message == "convolution in 0 groups is not possible")
    let indivisible = diagnostic { _ = try trace(Sized(layer: Conv2D(1, 3, groups: 2))) }
    #expect(indivisible?.help != nil)
  }

  @Test func arithmeticMeansWhatItSays() throws {
    let network = Formula { x in
      [x + 1, 1 - x, x * x / 2, -(x - 3), 2 * x + x]
    }
    let image = try Tensor(Shape([1, 1, 4, 4]), (0..<16).map(Double.init))
    let results = try Reference.evaluate(try trace(network), inputs: [image])
    #expect(results.map { $0.values[5] } == [6, -4, 12.5, -2, 15])
  }

  @Test func functionsMeanWhatTheySay() throws {
    let network = Formula { x in
      [
        x.leakyReLU(0.5), x.averagePooled(), (x * 0).sigmoid(), (x * 100).tanh(),
        InstanceNorm(epsilon: 0)(x),
      ]
    }
    let image = try Tensor(Shape([1, 1, 4, 4]), (0..<16).map { $0 < 8 ? -2.0 : 2 })
    let results = try Reference.evaluate(try trace(network), inputs: [image])
    #expect(results.map { $0.values[0] } == [-1, -2, 0.5, -1, -1])
    #expect(results.map { $0.values[$0.values.count - 1] } == [2, 2, 0.5, 1, 1])
    #expect(results[1].shape.extents == [1, 1, 2, 2])
  }

  /// Numbers of `torch.nn.functional.conv_transpose2d`.
  @Test func transposedLayer() throws {
    struct Layers: Network {
      let inputChannels = 2
      let up = ConvTranspose2D(2, 1, kernel: 3)
      func callAsFunction(_ x: Value) -> Value { up(x) }
    }
    let model = try NetworkModel(Layers())
    #expect(model.parameters.map(\.name) == ["up.weight", "up.bias"])
    let graph = try model.graph(batch: 1, height: 1, width: 2)
    let result = try Reference.evaluate(
      graph, inputs: [try Tensor(Shape([1, 2, 1, 2]), [1, 2, 3, 4])],
      parameters: [
        "up.weight": try Tensor(Shape([2, 1, 3, 3]), (1...18).map(Double.init)),
        "up.bias": try Tensor(Shape([1]), [0.5]),
      ])[0]
    #expect(result.shape.extents == [1, 1, 3, 5])
    #expect(
      result.values == [
        31.5, 35.5, 81.5, 48.5, 54.5, 43.5, 47.5, 111.5, 66.5, 72.5, 55.5, 59.5, 141.5, 84.5, 90.5,
      ])
    let wrong = diagnostic { _ = try trace(Formula { [ConvTranspose2D(2, 1)($0)] }) }
    #expect(wrong != nil)
  }

  /// As `torch.nn.Conv2d` counts: sizes, channels of a kernel, and which channels see each other.
  @Test func dilatedAndGroupedLayers() throws {
    struct Layers: Network {
      let inputChannels = 4
      let dilated = Conv2D(4, 2, kernel: 4, dilation: 3)
      let depthwise = Conv2D(4, 4, padding: .valid, dilation: 2, groups: 4)
      func callAsFunction(_ x: Value) -> Value { depthwise(x) }
      func outputs(_ x: Value) -> [Value] { [dilated(x), depthwise(x)] }
    }
    let model = try NetworkModel(Layers())
    let graph = try model.graph(batch: 1, height: 11, width: 9)
    #expect(
      graph.types(of: graph.results).map(\.shape.extents) == [[1, 2, 11, 9], [1, 4, 7, 5]])
    #expect(
      model.parameters.filter { $0.name.hasSuffix("weight") }.map(\.shape.extents)
        == [[2, 4, 4, 4], [4, 1, 3, 3]])
    #expect(try model.multiplyAdds(height: 11, width: 9) == 99 * 2 * 4 * 16 + 35 * 4 * 9)
  }

  @Test func paddingSameKeepsTheSizeAndValidShrinksIt() throws {
    struct Both: Network {
      let inputChannels = 1
      let even = Conv2D(1, 1, kernel: 4)
      let valid = Conv2D(1, 1, kernel: 3, stride: 2, padding: .valid)
      func callAsFunction(_ x: Value) -> Value { even(x) }
      func outputs(_ x: Value) -> [Value] { [even(x), valid(x)] }
    }
    let graph = try NetworkModel(Both()).graph(batch: 1, height: 7, width: 9)
    #expect(
      graph.types(of: graph.results).map(\.shape.extents) == [[1, 1, 7, 9], [1, 1, 3, 4]])
  }
}
