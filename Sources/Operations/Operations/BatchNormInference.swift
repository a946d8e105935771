import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// Batch normalization with stored statistics.
public struct BatchNormInference: TensorOperation {
  public static let mnemonic = "batch_norm_inference"
  public static let summary =
    "(x - mean) / sqrt(variance + epsilon) * scale + offset, per channel (dimension 1); operands x, scale, offset, mean, variance."

  public var epsilon: Double

  public init(epsilon: Double) { self.epsilon = epsilon }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    epsilon = try reader.real("epsilon")
    guard epsilon >= 0, epsilon.isFinite else {
      throw Diagnostic("epsilon must be a finite number >= 0, not \(epsilon)")
    }
  }

  public var attributes: [Attribute] { [Attribute("epsilon", .real(epsilon))] }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 5...5, mnemonic)
    try Require.float(operands, mnemonic)
    try Require.rank(4, operands[0], "operand x")
    for (operand, role) in zip(operands.dropFirst(), ["scale", "offset", "mean", "variance"]) {
      try Require.shape([operands[0].shape[1]], operand, role)
      try Require.element(operands[0].element, operand, role)
    }
    return [operands[0]]
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    var result = operands[0]
    let channels = result.shape[1]
    let area = result.shape[2] * result.shape[3]
    for position in result.values.indices {
      let channel = position / area % channels
      let normalized =
        (result.values[position] - operands[3].values[channel])
        / (operands[4].values[channel] + epsilon).squareRoot()
      result.values[position] =
        normalized * operands[1].values[channel] + operands[2].values[channel]
    }
    return [result]
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    .pointwise { index, operand in
      let channel = [index[1]]
      let deviation: Expression = .unary(
        .sqrt, operand(4, channel) + .real(epsilon, result.element))
      let normalized: Expression = .binary(
        .divide, operand(0, index) - operand(3, channel), deviation)
      return normalized * operand(1, channel) + operand(2, channel)
    }
  }

  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    let (x, scale, mean) = (call.operands[0], call.operands[1], call.operands[3])
    let (shape, dy) = (builder.shape(of: x), call.cotangent)
    let inverse = try builder.apply(Rsqrt(), try builder.add(call.operands[4], epsilon))
    let spread = try builder.broadcast(mean, to: shape, dimensions: [1])
    let centred = try builder.subtract(x, spread)
    let offset = try builder.sum(dy, over: [0, 2, 3])
    let products = try builder.sum(try builder.multiply(dy, centred), over: [0, 2, 3])
    let factor = try builder.multiply(scale, inverse)
    let wide = try builder.broadcast(factor, to: shape, dimensions: [1])
    // y = factor (x - mean) + offset, and the derivative of 1 / sqrt(v) is -1/2 sqrt(v)^-3.
    let cube = try builder.multiply(factor, try builder.multiply(inverse, inverse))
    return [
      try builder.multiply(dy, wide), try builder.multiply(products, inverse), offset,
      try builder.apply(Negate(), try builder.multiply(offset, factor)),
      try builder.multiply(try builder.multiply(products, cube), -0.5),
    ]
  }

  public static var samples: [OperationSample] {
    let x = TensorType.sample([2, 3, 4, 5])
    let c = TensorType.sample([3])
    let d = TensorType.sample([3], .f64)
    return [
      OperationSample(
        BatchNormInference(epsilon: 1e-3), [x, c, c, c, c], domain: 0.1...2,
        refused: [
          [x, c, c, c, .sample([2])], [x, c, c, c], [x, c, c, c, d], [.sample([3]), c, c, c, c],
        ]),
      OperationSample(
        BatchNormInference(epsilon: 0.5), [.sample([1, 3, 2, 2], .f64), d, d, d, d], domain: 0.1...2
      ),
    ]
  }
}
