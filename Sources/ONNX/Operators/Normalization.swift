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
  /// each image, or of each group of channels.
  static func instance(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let (scale, offset) = (try call.value(1), try call.value(2))
    guard case .grouped(let image, let extents) = call.input(0) else {
      let x = try call.image()
      try check([scale, offset], count: call.shape(of: x)[1], call)
      return [.value(try normalized(x, [2, 3], scale, offset, call))]
    }
    try check([scale, offset], count: extents[1], call)
    let share = call.shape(of: image)[1] / extents[1]
    var groups: [ValueID] = []
    for group in 0..<extents[1] {
      let part = try Slicing.cut(image, 1, group * share..<(group + 1) * share, call)
      let one = group..<group + 1
      groups.append(
        try normalized(
          part, [1, 2, 3], try Slicing.cut(scale, 0, one, call),
          try Slicing.cut(offset, 0, one, call), call))
    }
    return [.grouped(try Layout.joined(groups, dimension: 1, call), extents: extents)]
  }

  private static func check(
    _ parameters: [ValueID], count: Int, _ call: NodeCall
  ) throws(Diagnostic) {
    for parameter in parameters where call.shape(of: parameter).extents != [count] {
      throw Diagnostic(
        "scale or offset has the shape \(call.shape(of: parameter)), and there are \(count) channels"
      )
    }
  }

  /// With one mean for what `dimensions` leave, and scale and offset for each channel, or one for all.
  private static func normalized(
    _ x: ValueID, _ dimensions: [Int], _ scale: ValueID, _ offset: ValueID, _ call: NodeCall
  ) throws(Diagnostic) -> ValueID {
    let shape = call.shape(of: x)
    let (centred, inverse) = try deviations(of: x, over: dimensions, call)
    let planes = try Shape([shape[0], call.shape(of: scale)[0]])
    let factor = try call.apply(
      Multiply(), try call.broadcast(scale, to: planes, dimensions: [1]),
      try call.broadcast(
        inverse, to: planes, dimensions: [0, 1].filter { !dimensions.contains($0) }))
    let scaled = try call.apply(
      Multiply(), centred, try call.broadcast(factor, to: shape, dimensions: [0, 1]))
    return try call.apply(
      Add(), scaled, try call.broadcast(offset, to: shape, dimensions: [1]))
  }

  /// (x - mean) / sqrt(variance + epsilon) * scale + offset over the last dimensions, which scale and offset have.
  static func layer(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let x = try call.value(0)
    let shape = call.shape(of: x)
    let first = try call.dimension(try call.integer("axis", -1), rank: shape.rank)
    let (centred, inverse) = try deviations(of: x, over: Array(first..<shape.rank), call)
    let wide = try call.broadcast(inverse, to: shape, dimensions: Array(0..<first))
    let scale = try Arithmetic.stretched(try call.value(1), to: shape, call)
    var result = try call.apply(Multiply(), try call.apply(Multiply(), centred, wide), scale)
    if let offset = try call.optionalValue(2) {
      result = try call.apply(Add(), result, try Arithmetic.stretched(offset, to: shape, call))
    }
    return [.value(result)]
  }

  /// x - mean, and 1 / sqrt(variance + epsilon) of what `dimensions` leave.
  private static func deviations(
    of x: ValueID, over dimensions: [Int], _ call: NodeCall
  ) throws(Diagnostic) -> (centred: ValueID, inverse: ValueID) {
    let shape = call.shape(of: x)
    func mean(_ value: ValueID) throws(Diagnostic) -> ValueID {
      let count = dimensions.reduce(1) { $0 * shape[$1] }
      return try call.graph.builder.multiply(
        try call.apply(Reduce(dimensions: dimensions), value), 1 / Double(count))
    }
    let kept = (0..<shape.rank).filter { !dimensions.contains($0) }
    let centred = try call.apply(
      Subtract(), x, try call.broadcast(try mean(x), to: shape, dimensions: kept))
    let variance = try mean(try call.apply(Multiply(), centred, centred))
    let shifted = try call.graph.builder.add(variance, try call.real("epsilon", epsilon))
    return (centred, try call.apply(Rsqrt(), shifted))
  }
}
