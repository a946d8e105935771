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
    if case .slices(let slices, let batch) = call.input(0) {
      return [.slices(try normalized(slices, call), batch: batch)]
    }
    let x = try call.value(0)
    let shape = call.shape(of: x)
    guard shape.rank >= 2 else { throw Diagnostic("it is applied to a tensor of shape \(shape)") }
    // Whatever follows batch and channels is one row of pixels.
    let image = try Shape([shape[0], shape[1], 1, shape.extents[2...].reduce(1, *)])
    if shape.rank == 4 { return [.value(try normalized(x, call))] }
    let result = try normalized(try call.apply(Reshape(image), x), call)
    return [.value(try call.apply(Reshape(shape), result))]
  }

  /// Images [N, C, H, W] by stored statistics.
  private static func normalized(
    _ images: ValueID, _ call: NodeCall
  ) throws(Diagnostic) -> ValueID {
    var operands = [images]
    for index in 1...4 { operands.append(try call.value(index)) }
    return try call.apply(
      BatchNormInference(epsilon: try call.real("epsilon", epsilon)), operands)
  }

  /// (x - mean) / sqrt(variance + epsilon) * scale + offset, where mean and variance are those of each channel of
  /// each image, or of each group of channels.
  static func instance(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let parameters = [try call.value(1), try call.value(2)]
    guard let (x, extents) = try Images.grouped(call) else {
      let x = try Images(call)
      try check(parameters, count: x.channels, call)
      return [try normalized(x, groups: x.channels, parameters).imported()]
    }
    try check(parameters, count: extents[1], call)
    let wide = try repeated(parameters, channels: x.channels, call)
    let result = try normalized(x, groups: extents[1], wide)
    return [
      .grouped(result.pixels, volumes: x.rank == 5 ? x.batch : nil, extents: extents)
    ]
  }

  /// Scale and offset are one for each group in version 18, one for each channel since 21.
  static func group(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    guard let groups = try call.integer("num_groups") else {
      throw Diagnostic("it has no num_groups", help: "export the network again")
    }
    let x = try Images(call)
    let channels = x.channels
    guard groups >= 1, channels.isMultiple(of: groups) else {
      throw Diagnostic("\(groups) groups do not divide \(channels) channels")
    }
    var parameters = [try call.value(1), try call.value(2)]
    try check(parameters, count: call.operatorSet < 21 ? groups : channels, call)
    if call.operatorSet < 21 { parameters = try repeated(parameters, channels: channels, call) }
    return [try normalized(x, groups: groups, parameters).imported()]
  }

  /// Numbers for each group as numbers for each channel.
  private static func repeated(
    _ parameters: [ValueID], channels: Int, _ call: NodeCall
  ) throws(Diagnostic) -> [ValueID] {
    try parameters.map { (parameter) throws(Diagnostic) in
      let groups = call.shape(of: parameter)[0]
      let wide = try call.broadcast(
        parameter, to: try Shape([groups, channels / groups]), dimensions: [0])
      return try call.apply(Reshape(try Shape([channels])), wide)
    }
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

  /// With one mean for each group of channels; `parameters` are scale and offset for each channel.
  private static func normalized(
    _ x: Images, groups: Int, _ parameters: [ValueID]
  ) throws(Diagnostic) -> Images {
    let (call, planes) = (x.call, try Shape([x.batch, x.channels]))
    func mean(_ value: ValueID) throws(Diagnostic) -> ValueID {
      let sums = try x.overDepth(try call.apply(Reduce(dimensions: [2, 3]), value))
      let total = try groupSum(sums, groups, call)
      let count = x.channels / groups * x.spatial.reduce(1, *)
      return try call.graph.builder.multiply(total, 1 / Double(count))
    }
    let centred = try call.apply(Subtract(), x.pixels, try x.spread(try mean(x.pixels)))
    let variance = try mean(try call.apply(Multiply(), centred, centred))
    let shifted = try call.graph.builder.add(variance, try call.real("epsilon", epsilon))
    let factor = try call.apply(
      Multiply(), try call.broadcast(parameters[0], to: planes, dimensions: [1]),
      try call.apply(Rsqrt(), shifted))
    let scaled = try call.apply(Multiply(), centred, try x.spread(factor))
    let offset = try call.broadcast(parameters[1], to: x.shape, dimensions: [1])
    return x.with(try call.apply(Add(), scaled, offset))
  }

  /// The sum over each group of [N, C], at all of its channels.
  private static func groupSum(
    _ sums: ValueID, _ groups: Int, _ call: NodeCall
  ) throws(Diagnostic) -> ValueID {
    let planes = call.shape(of: sums)
    guard groups < planes[1] else { return sums }
    let grouped = try Shape([planes[0], groups, planes[1] / groups])
    let total = try call.apply(
      Reduce(dimensions: [2]), try call.apply(Reshape(grouped), sums))
    return try call.apply(
      Reshape(planes), try call.broadcast(total, to: grouped, dimensions: [0, 1]))
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
