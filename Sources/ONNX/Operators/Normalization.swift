import Diagnostics
import GraphIR
import Operations
import Tensors

/// Normalization with stored statistics, and with those of each image.
enum Normalization {
  private static let epsilon = Double(Float(1e-5))

  static func batch(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    guard try call.integer("training_mode", 0) == 0 else {
      throw Diagnostic(
        "it takes the batch's own statistics",
        help: "export the network for inference (model.eval())"
      )
    }
    var operands = [try call.image()]
    for index in 1...4 { operands.append(try call.value(index)) }
    let operation = BatchNormInference(epsilon: try call.real("epsilon", epsilon))
    return [.value(try call.apply(operation, operands))]
  }

  /// (x - mean) / sqrt(variance + epsilon) * scale + offset, where mean and variance are those of each channel of
  /// each image.
  static func instance(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let (x, scale, offset) = (try call.image(), try call.value(1), try call.value(2))
    let shape = call.shape(of: x)
    for parameter in [scale, offset] where call.shape(of: parameter).extents != [shape[1]] {
      throw Diagnostic(
        "scale and offset have the shapes \(call.shape(of: scale)) and \(call.shape(of: offset)), "
          + "the image \(shape)")
    }
    let planes = try Shape([shape[0], shape[1]])
    func wide(_ value: ValueID) throws(Diagnostic) -> ValueID {
      try call.broadcast(value, to: shape, dimensions: [0, 1])
    }
    let centred = try call.apply(Subtract(), x, try wide(try mean(x, call)))
    let variance = try mean(try call.apply(Multiply(), centred, centred), call)
    let shifted = try call.graph.builder.add(variance, try call.real("epsilon", epsilon))
    let factor = try call.apply(
      Multiply(), try call.broadcast(scale, to: planes, dimensions: [1]),
      try call.apply(Rsqrt(), shifted))
    let scaled = try call.apply(Multiply(), centred, try wide(factor))
    let wideOffset = try call.broadcast(offset, to: shape, dimensions: [1])
    return [.value(try call.apply(Add(), scaled, wideOffset))]
  }

  private static func mean(_ x: ValueID, _ call: NodeCall) throws(Diagnostic) -> ValueID {
    let shape = call.shape(of: x)
    return try call.graph.builder.multiply(
      try call.apply(Reduce(dimensions: [2, 3]), x), 1 / Double(shape[2] * shape[3]))
  }
}

/// Sums and means over whole dimensions.
enum Reductions {
  static func sum(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    [.value(try reduced(call, axesAreInputSince: 13).value)]
  }

  static func mean(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let (value, count) = try reduced(call, axesAreInputSince: 18)
    return [.value(try call.graph.builder.multiply(value, 1 / Double(count)))]
  }

  /// The sum, and over how many elements each of its elements is.
  private static func reduced(
    _ call: NodeCall, axesAreInputSince version: Int
  ) throws(Diagnostic) -> (value: ValueID, count: Int) {
    let x = try call.value(0)
    let shape = call.shape(of: x)
    var axes = try call.operatorSet < version ? call.integers("axes") : call.integers(1)
    if axes?.isEmpty ?? true {
      if try call.integer("noop_with_empty_axes", 0) != 0 { return (x, 1) }
      axes = Array(0..<shape.rank)
    }
    let dimensions = try call.dimensions(axes ?? [], rank: shape.rank)
    guard !dimensions.isEmpty else { return (x, 1) }
    let total = try call.apply(Reduce(dimensions: dimensions), x)
    let count = dimensions.reduce(1) { $0 * shape[$1] }
    guard try call.integer("keepdims", 1) != 0 else { return (total, count) }
    let kept = (0..<shape.rank).filter { !dimensions.contains($0) }
    let extents = (0..<shape.rank).map { dimensions.contains($0) ? 1 : shape[$0] }
    return (try call.broadcast(total, to: try Shape(extents), dimensions: kept), count)
  }
}
