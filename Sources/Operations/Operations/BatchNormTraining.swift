import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// Batch normalization with the batch's own statistics.
public struct BatchNormTraining: CompositeOperation {
  public static let mnemonic = "batch_norm_training"
  public static let summary =
    "Results y = (x - mean) / sqrt(variance + epsilon) * scale + offset, mean and variance, per channel (dimension 1): mean and (biased) variance are those of x over all other dimensions. Operands x, scale, offset."

  public var epsilon: Double

  public init(epsilon: Double) { self.epsilon = epsilon }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    epsilon = try BatchNormInference(&reader).epsilon
  }

  public var attributes: [Attribute] { [Attribute("epsilon", .real(epsilon))] }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 3...3, mnemonic)
    try Require.float(operands, mnemonic)
    try Require.rank(4, operands[0], "operand x")
    for (operand, role) in zip(operands.dropFirst(), ["scale", "offset"]) {
      try Require.shape([operands[0].shape[1]], operand, role)
      try Require.element(operands[0].element, operand, role)
    }
    return [operands[0], operands[1], operands[1]]
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    let x = operands[0]
    let mean = Self.means(x)
    var squares = x
    for position in x.values.indices {
      let difference = x.values[position] - mean.values[Self.channel(of: position, x.shape)]
      squares.values[position] = difference * difference
    }
    let variance = Self.means(squares)
    let y = BatchNormInference(epsilon: epsilon).evaluate(
      operands + [mean, variance], results: [results[0]])
    return [y[0], mean, variance]
  }

  static func channel(of position: Int, _ shape: Shape) -> Int {
    position / (shape[2] * shape[3]) % shape[1]
  }

  /// The mean of each channel.
  static func means(_ x: Tensor<Double>) -> Tensor<Double> {
    let sums = Reduce(dimensions: [0, 2, 3])
    guard let types = try? sums.inferResults([TensorType(x.shape, .f64)]) else { return x }
    let count = Double(x.shape.elementCount / x.shape[1])
    return sums.evaluate([x], results: types)[0].map { $0 / count }
  }

  public func decompose(
    _ operands: [ValueID], _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID] {
    try decompose(operands, &builder) { mean, _ in mean }
  }

  /// The same with `joined` around each mean, which may take in the means of other processes.
  public func decompose(
    _ operands: [ValueID], _ builder: inout GraphBuilder,
    joined: (ValueID, inout GraphBuilder) throws(Diagnostic) -> ValueID
  ) throws(Diagnostic) -> [ValueID] {
    let x = operands[0]
    let shape = builder.shape(of: x)
    let share = Double(shape[1]) / Double(shape.elementCount)
    let own = try builder.multiply(try builder.sum(x, over: [0, 2, 3]), share)
    let mean = try joined(own, &builder)
    let centred = try builder.subtract(
      x, try builder.broadcast(mean, to: shape, dimensions: [1]))
    let squares = try builder.sum(try builder.multiply(centred, centred), over: [0, 2, 3])
    let variance = try joined(try builder.multiply(squares, share), &builder)
    let y = try scaled(centred, variance, operands, &builder)
    return [y, mean, variance]
  }

  /// y once more from x, scale and offset with mean and variance that are known, to the same bits.
  public func normalized(
    _ operands: [ValueID], mean: ValueID, variance: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID {
    let x = operands[0]
    let centred = try builder.subtract(
      x, try builder.broadcast(mean, to: builder.shape(of: x), dimensions: [1]))
    return try scaled(centred, variance, operands, &builder)
  }

  private func scaled(
    _ centred: ValueID, _ variance: ValueID, _ operands: [ValueID], _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID {
    let shape = builder.shape(of: centred)
    let inverse = try builder.apply(Rsqrt(), try builder.add(variance, epsilon))
    let factor = try builder.broadcast(
      try builder.multiply(operands[1], inverse), to: shape, dimensions: [1])
    let offset = try builder.broadcast(operands[2], to: shape, dimensions: [1])
    return try builder.add(try builder.multiply(centred, factor), offset)
  }

  /// `batch_norm_grad`, and what mean and variance receive where someone uses them.
  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    let (x, mean, variance) = (call.operands[0], call.results[1], call.results[2])
    let zero = try builder.constant(0, like: x)
    var gradients = try builder.results(
      BatchNormGrad(epsilon: epsilon),
      [x, call.operands[1], mean, variance, call.cotangents[0] ?? zero])
    let shape = builder.shape(of: x)
    let share = Double(shape[1]) / Double(shape.elementCount)
    if let dMean = call.cotangents[1] {
      let wide = try builder.broadcast(
        try builder.multiply(dMean, share), to: shape, dimensions: [1])
      gradients[0] = try builder.add(gradients[0], wide)
    }
    if let dVariance = call.cotangents[2] {
      let centred = try builder.subtract(
        x, try builder.broadcast(mean, to: shape, dimensions: [1]))
      let wide = try builder.broadcast(
        try builder.multiply(dVariance, 2 * share), to: shape, dimensions: [1])
      gradients[0] = try builder.add(gradients[0], try builder.multiply(centred, wide))
    }
    return gradients
  }

  public static var samples: [OperationSample] {
    let x = TensorType.sample([2, 3, 4, 5])
    let c = TensorType.sample([3])
    let d = TensorType.sample([3], .f64)
    return [
      OperationSample(
        BatchNormTraining(epsilon: 1e-3), [x, c, c],
        refused: [[x, c, .sample([2])], [x, c], [x, c, d], [.sample([3]), c, c]]),
      OperationSample(
        BatchNormTraining(epsilon: 0.5), [.sample([1, 3, 2, 2], .f64), d, d], domain: 0.1...2),
    ]
  }
}
