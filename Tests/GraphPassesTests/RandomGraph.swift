import GraphIR
import Operations
import Tensors

/// Makes well-typed graphs of a network's operations: what passes must take without changing a value.
struct RandomGraph {
  private var numbers: SplitMix64
  private var function = Function("random")
  private var images: [ValueID] = []
  private var parameterCount = 0

  /// A graph of a few operations, with one to three results; the seed determines it.
  static func make(seed: UInt64) throws -> Function {
    var graph = RandomGraph(numbers: SplitMix64(seed: seed))
    for name in ["x", "y"].prefix(graph.pick(1...2)) {
      let extents = [
        graph.pick(1...2), graph.pick(1...4), 2 * graph.pick(1...3), graph.pick(2...6),
      ]
      let type = TensorType(try Shape(extents), .f32)
      graph.images.append(graph.function.addArgument(type, name: name))
    }
    for _ in 0..<graph.pick(3...14) { try graph.step() }
    let last = graph.images.suffix(1)
    graph.function.results = try last + (0..<graph.pick(0...2)).map { _ in try graph.anyImage() }
    return graph.function
  }

  private init(numbers: SplitMix64) { self.numbers = numbers }

  private mutating func pick(_ range: ClosedRange<Int>) -> Int {
    Int.random(in: range, using: &numbers)
  }

  private struct NoImage: Error {}

  private mutating func anyImage() throws -> ValueID {
    guard let image = images.randomElement(using: &numbers) else { throw NoImage() }
    return image
  }

  private mutating func append(_ operation: any Operation, _ operands: [ValueID]) throws {
    images += try function.append(operation, operands)
  }

  private mutating func parameter(_ name: String, _ extents: [Int]) throws -> ValueID {
    parameterCount += 1
    let operation = ParameterOperation(
      "\(name)\(parameterCount)", TensorType(try Shape(extents), .f32))
    return try function.append(operation, [])[0]
  }

  /// One more operation; repeats of the last one now and then, for `cse` to find.
  private mutating func step() throws {
    let image = try anyImage()
    let shape = function.type(of: image).shape
    switch pick(0...16) {
    case 0...2: try convolution(image, shape)
    case 3: try batchNorm(image, shape)
    case 4: try append(ReLU(), [image])
    case 5: try append(Negate(), [image])
    case 6:
      if let node = function.nodes.last, node.results == images.suffix(1) {
        try append(node.operation, node.operands)
      }
    case 7: try binary(image, shape)
    case 8: try withWeights(image, shape)
    case 9 where shape[2] > 1 && shape[3] > 1:
      try append(ReduceWindow(.max, window: [2, 2], strides: [2, 2]), [image])
    case 10 where shape[2] * shape[3] < 50:
      try append(UpsampleNearest(scale: [2, 1]), [image])
    case 11: try batchNormTraining(image, shape)
    case 12...13: try centred(image, shape)
    case 14: try transform(image, shape)
    case 15: try neighbours(image, shape)
    default: try concatenate(image, shape)
    }
  }

  private mutating func convolution(_ image: ValueID, _ shape: Shape) throws {
    let (channels, size) = (pick(1...4), [1, 3][pick(0...1)])
    var operands = [image, try parameter("w", [channels, shape[1], size, size])]
    if pick(0...1) == 1 { operands.append(try parameter("b", [channels])) }
    let padding = [Int](repeating: size / 2, count: 4)
    try append(Convolution(padding: padding, strides: [1, pick(1...2)]), operands)
    let result = images[images.count - 1]
    if pick(0...1) == 1 { try batchNorm(result, function.type(of: result).shape) }
  }

  /// Images of a batch as slices of a volume, each convolved with those before and after it.
  private mutating func neighbours(_ image: ValueID, _ shape: Shape) throws {
    guard shape[1] <= 4 else { return }
    let zeros = [0, 0, 0, 0]
    let (before, after) = (pick(0...1), pick(1...2))
    let padded = try function.append(
      Pad(low: [before, 0, 0, 0], high: [after, 0, 0, 0], interior: zeros), [image])[0]
    let slices = try (0...before + after).map { first in
      try function.append(
        Slice(start: [first, 0, 0, 0], limit: [first + shape[0]] + shape.extents.dropFirst()),
        [padded])[0]
    }
    let joined = try function.append(Concatenate(dimension: 1), slices)[0]
    let inputs = shape[1] * slices.count
    try append(
      Convolution(padding: [1, 1, 1, 1], strides: [1, 1]),
      [joined, try parameter("w", [pick(1...4), inputs, 3, 3])])
  }

  private mutating func batchNorm(_ image: ValueID, _ shape: Shape) throws {
    let names = ["scale", "offset", "mean", "variance"]
    let operands = try names.map { try parameter($0, [shape[1]]) }
    try append(BatchNormInference(epsilon: 0.001), [image] + operands)
  }

  /// The image is used further, the statistics are not.
  private mutating func batchNormTraining(_ image: ValueID, _ shape: Shape) throws {
    let operands = try ["scale", "offset"].map { try parameter($0, [shape[1]]) }
    images.append(
      try function.append(BatchNormTraining(epsilon: 0.1), [image] + operands)[0])
  }

  /// The image less each channel's sum, and how far both are apart: elementwise work with several uses.
  private mutating func centred(_ image: ValueID, _ shape: Shape) throws {
    let sum = try function.append(Reduce(dimensions: [2, 3]), [image])[0]
    let wide = try function.append(BroadcastInDim(shape, dimensions: [0, 1]), [sum])[0]
    let difference = try function.append(Subtract(), [image, wide])[0]
    let bounded = try function.append(ReLU(), [difference])[0]
    let square = try function.append(Multiply(), [bounded, difference])[0]
    let norm = try function.append(Reduce(dimensions: [2, 3]), [square])[0]
    images.append(
      try function.append(BroadcastInDim(shape, dimensions: [0, 1]), [norm])[0])
    try append(Add(), [bounded, pick(0...1) == 0 ? square : image])
  }

  /// The image's numbers as points of one transform.
  private mutating func transform(_ image: ValueID, _ shape: Shape) throws {
    let count = shape.elementCount
    guard count.isMultiple(of: 2), count <= 400 else { return }
    let points = try function.append(Reshape(try Shape([1, 2, 1, count / 2])), [image])[0]
    let direction = FFT.Direction.allCases[pick(0...1)]
    let result = try function.append(
      FFT(direction, dimensions: [3], isCentered: pick(0...1) == 0), [points])[0]
    try append(Reshape(shape), [result])
  }

  private mutating func binary(_ image: ValueID, _ shape: Shape) throws {
    let partners = images.filter { function.type(of: $0).shape == shape }
    guard let other = partners.randomElement(using: &numbers) else { return }
    let operations: [any Operation] = [Add(), Subtract(), Multiply(), Maximum()]
    try append(operations[pick(0...3)], [image, other])
  }

  /// Work on weights, a constant, and both with an image.
  private mutating func withWeights(_ image: ValueID, _ shape: Shape) throws {
    let weight = try parameter("s", [shape[1]])
    let positive = try function.append(ReLU(), [weight])[0]
    let wide = try function.append(
      BroadcastInDim(shape, dimensions: [1]), [pick(0...1) == 1 ? positive : weight])[0]
    let constant = try function.append(Constant(0.5, function.type(of: image)), [])[0]
    let scaled = try function.append(Multiply(), [wide, constant])[0]
    try append(Add(), [image, scaled])
  }

  private mutating func concatenate(_ image: ValueID, _ shape: Shape) throws {
    let partners = images.filter { other in
      let its = function.type(of: other).shape
      return its[0] == shape[0] && its[2] == shape[2] && its[3] == shape[3] && its[1] < 8
    }
    guard let other = partners.randomElement(using: &numbers), shape[1] < 8 else { return }
    try append(Concatenate(dimension: 1), [image, other])
  }
}
