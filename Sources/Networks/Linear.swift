import Diagnostics
import GraphIR
import Operations

/// A matrix times the last dimension of [..., inputs], plus a bias: `torch.nn.Linear`.
public struct Linear: Sendable {
  /// [outputs, inputs].
  public let weight: Parameter
  public let bias: Parameter

  public init(_ inputs: Int, _ outputs: Int) {
    weight = Parameter([outputs, inputs], .glorotUniform)
    bias = Parameter([outputs], .constant(0))
  }

  public func callAsFunction(
    _ x: Value, fileID: String = #fileID, line: Int = #line
  ) -> Value {
    let weights = [weight, bias].map { $0.value(beside: x, fileID: fileID, line: line) }
    return x.tracer.record([x] + weights, at: .place(fileID, line)) {
      (values, builder) throws(Diagnostic) in
      let rank = builder.shape(of: values[0]).rank
      guard rank >= 1 else {
        throw Diagnostic("a linear layer is applied to one number", help: "give it [..., inputs]")
      }
      let product = try builder.apply(
        DotGeneral(.init(contracting: [rank - 1]), .init(contracting: [1])), values[0], values[1])
      let shape = builder.shape(of: product)
      return try builder.add(
        product, try builder.broadcast(values[2], to: shape, dimensions: [rank - 1]))
    }
  }
}
