import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// The cotangents of a batch normalization with the batch's own statistics.
public struct BatchNormGrad: CompositeOperation {
  public static let mnemonic = "batch_norm_grad"
  public static let summary =
    "What x, scale and offset of batch_norm_training receive; operands x, scale, mean, variance (of x) and dy. With u = (x - mean) / sqrt(variance + epsilon) and sums over all dimensions but the channel's, of count elements: dscale = sum(dy u), doffset = sum(dy), dx = scale / sqrt(variance + epsilon) (dy - doffset / count - u dscale / count)."

  public var epsilon: Double

  public init(epsilon: Double) { self.epsilon = epsilon }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    epsilon = try BatchNormInference(&reader).epsilon
  }

  public var attributes: [Attribute] { [Attribute("epsilon", .real(epsilon))] }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 5...5, mnemonic)
    try Require.float(operands, mnemonic)
    try Require.rank(4, operands[0], "operand x")
    for (operand, role) in zip(operands[1...3], ["scale", "mean", "variance"]) {
      try Require.shape([operands[0].shape[1]], operand, role)
      try Require.element(operands[0].element, operand, role)
    }
    try Require.element(operands[0].element, operands[4], "cotangent")
    try Require.shape(operands[0].shape.extents, operands[4], "cotangent")
    return [operands[0], operands[1], operands[1]]
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    let (x, dy) = (operands[0], operands[4])
    let inverse = operands[3].map { 1 / ($0 + epsilon).squareRoot() }
    var normalized = x
    var products = x
    for position in x.values.indices {
      let channel = BatchNormTraining.channel(of: position, x.shape)
      let centred = x.values[position] - operands[2].values[channel]
      normalized.values[position] = centred * inverse.values[channel]
      products.values[position] = normalized.values[position] * dy.values[position]
    }
    let (meanProduct, meanCotangent) = (
      BatchNormTraining.means(products), BatchNormTraining.means(dy)
    )
    var dx = x
    for position in x.values.indices {
      let channel = BatchNormTraining.channel(of: position, x.shape)
      let rest =
        dy.values[position] - meanCotangent.values[channel]
        - normalized.values[position] * meanProduct.values[channel]
      dx.values[position] = operands[1].values[channel] * inverse.values[channel] * rest
    }
    let count = Double(x.shape.elementCount / x.shape[1])
    return [dx, meanProduct.map { $0 * count }, meanCotangent.map { $0 * count }]
  }

  public func decompose(
    _ operands: [ValueID], _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID] {
    let (x, dy) = (operands[0], operands[4])
    let shape = builder.shape(of: x)
    let share = Double(shape[1]) / Double(shape.elementCount)
    let centred = try builder.subtract(
      x, try builder.broadcast(operands[2], to: shape, dimensions: [1]))
    let inverse = try builder.apply(Rsqrt(), try builder.add(operands[3], epsilon))
    let offset = try builder.sum(dy, over: [0, 2, 3])
    let products = try builder.sum(try builder.multiply(dy, centred), over: [0, 2, 3])
    let scale = try builder.multiply(products, inverse)
    // dx = a dy - b (x - mean) - c, with one number each for a channel.
    let a = try builder.multiply(operands[1], inverse)
    let b = try builder.multiply(
      try builder.multiply(try builder.multiply(a, inverse), scale), share)
    let c = try builder.multiply(try builder.multiply(a, offset), share)
    let terms = try [(a, dy), (b, centred)].map { factor, value throws(Diagnostic) in
      try builder.multiply(value, try builder.broadcast(factor, to: shape, dimensions: [1]))
    }
    let difference = try builder.subtract(terms[0], terms[1])
    let dx = try builder.subtract(
      difference, try builder.broadcast(c, to: shape, dimensions: [1]))
    return [dx, scale, offset]
  }

  public static var samples: [OperationSample] {
    let x = TensorType.sample([2, 3, 4, 5])
    let c = TensorType.sample([3])
    let d = TensorType.sample([3], .f64)
    return [
      OperationSample(
        BatchNormGrad(epsilon: 1e-3), [x, c, c, c, x], domain: 0.1...2,
        refused: [[x, c, c, .sample([2]), x], [x, c, c, c], [x, c, c, c, c], [x, c, c, d, x]]),
      OperationSample(
        BatchNormGrad(epsilon: 0.5),
        [.sample([1, 3, 2, 2], .f64), d, d, d, .sample([1, 3, 2, 2], .f64)], domain: 0.1...2),
    ]
  }
}
