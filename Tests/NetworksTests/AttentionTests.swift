import GraphIR
import Operations
import Tensors
import Testing

@testable import Networks

/// Products of matrices and attention in the DSL, against numbers of PyTorch.
@Suite struct AttentionTests {
  private struct Attention: Network {
    let inputChannels = 4
    let layer = SelfAttention(4, heads: 2)
    func callAsFunction(_ x: Value) -> Value { layer(x) }
  }

  private struct Formula: Network {
    let inputChannels = 1
    let matrix = Linear(2, 3)
    let formula: @Sendable (Value, Linear) -> Value
    func callAsFunction(_ x: Value) -> Value { formula(x, matrix) }
  }

  private static func pattern(
    _ extents: [Int], _ factor: Int, _ modulus: Int, _ scale: Double
  ) throws -> Tensor<Double> {
    let shape = try Shape(extents)
    let values = (0..<shape.elementCount).map {
      Double($0 * factor % modulus - (modulus - 1) / 2) / scale
    }
    return try Tensor(shape, values)
  }

  private static func weights() throws -> [String: Tensor<Double>] {
    [
      "layer.in_proj_weight": try pattern([12, 4], 7, 13, 4),
      "layer.in_proj_bias": try pattern([12], 1, 5, 2),
      "layer.out_proj.weight": try pattern([4, 4], 5, 11, 4),
      "layer.out_proj.bias": try Tensor(Shape([4]), [0.5, -1, 0, 2]),
    ]
  }

  /// What `torch.nn.MultiheadAttention(4, 2, batch_first=True)` gives in float64 with these weights, for three tokens;
  /// here they are pixels, so that channels come first.
  @Test func attentionIsThatOfPyTorch() throws {
    let model = try NetworkModel(Attention())
    #expect(
      model.parameters.map(\.name)
        == ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"].map {
          "layer.\($0)"
        })
    let tokens = try Self.pattern([3, 4], 3, 7, 2)
    let pixels = try Tensor(
      Shape([1, 4, 1, 3]), (0..<12).map { tokens.values[$0 % 3 * 4 + $0 / 3] })
    let graph = try model.graph(batch: 1, height: 1, width: 3)
    let result = try Reference.evaluate(
      graph, inputs: [pixels], parameters: try Self.weights())[0]
    let expected = [
      -6.635233229308, 0.637924505325, 1.286403818531, 3.228929767495, -4.062592021573,
      1.437479529295, -0.187447955883, 4.343712530682, 6.847480404151, -5.036362998598,
      -5.405265012596, 5.582807418352,
    ]
    #expect(result.shape.extents == [1, 4, 1, 3])
    for (place, value) in result.values.enumerated() {
      #expect(abs(value - expected[place % 3 * 4 + place / 3]) < 1e-10)
    }
  }

  private func evaluate(
    _ formula: @escaping @Sendable (Value, Linear) -> Value
  ) throws -> Tensor<Double> {
    let model = try NetworkModel(Formula(formula: formula))
    let graph = try model.graph(batch: 1, height: 2, width: 2)
    return try Reference.evaluate(
      graph, inputs: [try Tensor(Shape([1, 1, 2, 2]), [1, 2, 3, 4])],
      parameters: [
        "matrix.weight": try Tensor(Shape([3, 2]), [1, 0, 0, 1, 1, 1]),
        "matrix.bias": try Tensor(Shape([3]), [0, 0.5, 1]),
      ])[0]
  }

  @Test func matricesAndRows() throws {
    let square = try evaluate { x, _ in x.matmul(x) }
    #expect(square == (try Tensor(Shape([1, 1, 2, 2]), [7, 10, 15, 22])))
    let linear = try evaluate { x, matrix in matrix(x) }
    #expect(linear == (try Tensor(Shape([1, 1, 2, 3]), [1, 2.5, 4, 3, 4.5, 8])))
    let even = try evaluate { x, _ in (x * 0).softmax() }
    #expect(even.values == [0.5, 0.5, 0.5, 0.5])
    let steep = try evaluate { x, _ in (x * 1000).softmax(2) }
    #expect(steep.values == [0, 0, 1, 1])
  }

  @Test func whatDoesNotFitIsRefused() throws {
    struct Misfit: Network {
      let inputChannels = 3
      let layer = SelfAttention(3, heads: 2)
      func callAsFunction(_ x: Value) -> Value { layer(x) }
    }
    let heads = diagnostic {
      _ = try NetworkModel(Misfit()).graph(batch: 1, height: 2, width: 2)
    }
    #expect(heads?.message.hasPrefix("attention of 3 channels in 2 heads is applied to") == true)
    let wide = diagnostic {
      _ = try evaluate { x, matrix in matrix(x).matmul(x) }
    }
    #expect(wide?.message == "[1, 1, 2, 3] and [1, 1, 2, 2] do not fit together")
    let dimension = diagnostic { _ = try evaluate { x, _ in x.softmax(4) } }
    #expect(dimension?.help == "choose one of its dimensions")
  }
}
