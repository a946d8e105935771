import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// Two-dimensional convolution (cross-correlation, as in every deep-learning library) with zero padding.
public struct Convolution: TensorOperation {
  public static let mnemonic = "convolution"
  public static let summary =
    "y[n,o,y,x] = bias[o] + sum over i, ky, kx of x[n, g I + i, (y sy + ky ry - top) / dy, (x sx + kx rx - left) / dx] w[o,i,ky,kx]; operands x (NCHW), w (OIHW) and, optionally, bias; what lies outside the image or between its pixels is not accumulated. padding = [top, bottom, left, right]. The others may be left out: lhs_dilation = [dy, dx] is the distance of neighbouring pixels (a transposed convolution with these strides), rhs_dilation = [ry, rx] that of neighbouring taps; feature_group_count is the number of groups into which the channels of image and result are divided in order: o is in group g, which sees the I channels of the image that are its own."

  public static let optionalAttributes = ["lhs_dilation", "rhs_dilation", "feature_group_count"]

  /// Top, bottom, left, right.
  public var padding: [Int]
  /// Down, across.
  public var strides: [Int]
  /// The distance of neighbouring pixels, down and across.
  public var lhsDilation: [Int]
  /// The distance of neighbouring taps, down and across.
  public var rhsDilation: [Int]
  /// Groups of channels that see nothing of each other.
  public var featureGroupCount: Int

  public init(
    padding: [Int] = [0, 0, 0, 0], strides: [Int] = [1, 1], lhsDilation: [Int] = [1, 1],
    rhsDilation: [Int] = [1, 1], featureGroupCount: Int = 1
  ) {
    self.padding = padding
    self.strides = strides
    self.lhsDilation = lhsDilation
    self.rhsDilation = rhsDilation
    self.featureGroupCount = featureGroupCount
  }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    padding = try reader.integers("padding", count: 4)
    strides = try reader.integers("strides", count: 2)
    lhsDilation = try reader.integers("lhs_dilation", count: 2, default: [1, 1])
    rhsDilation = try reader.integers("rhs_dilation", count: 2, default: [1, 1])
    featureGroupCount = try reader.integer("feature_group_count", default: 1)
    for value in padding where value < 0 || value > 1024 {
      throw Diagnostic("padding must lie between 0 and 1024, not \(value)")
    }
    let distances = [
      ("strides", strides), ("lhs_dilation", lhsDilation), ("rhs_dilation", rhsDilation),
    ]
    for (name, values) in distances {
      for value in values where value < 1 || value > 1024 {
        throw Diagnostic("\(name) must lie between 1 and 1024, not \(value)")
      }
    }
    guard featureGroupCount >= 1 else {
      throw Diagnostic("feature_group_count must be at least 1, not \(featureGroupCount)")
    }
  }

  public var attributes: [Attribute] {
    var all = [
      Attribute("padding", .integers(padding)), Attribute("strides", .integers(strides)),
    ]
    for (name, values) in [("lhs_dilation", lhsDilation), ("rhs_dilation", rhsDilation)]
    where values != [1, 1] {
      all.append(Attribute(name, .integers(values)))
    }
    if featureGroupCount != 1 {
      all.append(Attribute("feature_group_count", .integer(featureGroupCount)))
    }
    return all
  }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 2...3, mnemonic)
    try Require.float(operands, mnemonic)
    let (image, kernel) = (operands[0], operands[1])
    try Require.rank(4, image, "image")
    try Require.rank(4, kernel, "kernel")
    try Require.element(image.element, kernel, "kernel")
    try checkChannels(image, kernel)
    if operands.count == 3 {
      try Require.shape([kernel.shape[0]], operands[2], "bias")
      try Require.element(image.element, operands[2], "bias")
    }
    var extents = [image.shape[0], kernel.shape[0]]
    for axis in 0..<2 {
      let padded = dilated(image.shape, axis) + padding[2 * axis] + padding[2 * axis + 1]
      let span = span(kernel.shape, axis)
      guard padded >= span else {
        throw Diagnostic("the kernel \(kernel) is larger than the padded image \(image)")
      }
      extents.append((padded - span) / strides[axis] + 1)
    }
    return [TensorType(try Shape(extents), image.element)]
  }

  private func checkChannels(_ image: TensorType, _ kernel: TensorType) throws(Diagnostic) {
    for (type, role, dimension) in [(image, "image", 1), (kernel, "kernel", 0)]
    where !type.shape[dimension].isMultiple(of: featureGroupCount) {
      throw Diagnostic(
        "\(featureGroupCount) groups do not divide the \(type.shape[dimension]) channels of the \(role) \(type)",
        help: "choose a feature_group_count that divides the channels of image and result")
    }
    guard image.shape[1] / featureGroupCount == kernel.shape[1] else {
      let groups = featureGroupCount == 1 ? "" : " in \(featureGroupCount) groups"
      throw Diagnostic(
        "the kernel \(kernel) takes \(kernel.shape[1]) channels, but the image \(image) has \(image.shape[1])\(groups)"
      )
    }
  }

  /// Rows or columns from the kernel's first tap to its last.
  private func span(_ kernel: Shape, _ axis: Int) -> Int {
    (kernel[axis + 2] - 1) * rhsDilation[axis] + 1
  }

  /// Rows or columns from the image's first pixel to its last.
  private func dilated(_ image: Shape, _ axis: Int) -> Int {
    (image[axis + 2] - 1) * lhsDilation[axis] + 1
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    [
      ReferenceConvolution(
        image: operands[0], kernel: operands[1], bias: operands.count == 3 ? operands[2] : nil,
        convolution: self, result: results[0].shape
      ).run()
    ]
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    let (image, kernel) = (operands[0].shape, operands[1].shape)
    /// Row or column under a tap, in the dilated image.
    func place(_ axis: Int, _ index: [Expression], _ tap: Expression) -> Expression {
      let distance = rhsDilation[axis]
      let reached = distance == 1 ? tap : tap * .integer(distance)
      return index[axis + 2] * .integer(strides[axis]) + reached - .integer(padding[2 * axis])
    }
    /// Row or column of the image's pixel there.
    func pixel(_ axis: Int, _ index: [Expression], _ tap: Expression) -> Expression {
      let position = place(axis, index, tap)
      let distance = lhsDilation[axis]
      return distance == 1 ? position : .binary(.divide, position, .integer(distance))
    }
    func inside(_ axis: Int, _ index: [Expression], _ tap: Expression) -> [Expression] {
      let position = place(axis, index, tap)
      var conditions: [Expression] = []
      if padding[2 * axis] > 0 || padding[2 * axis + 1] > 0 {
        conditions = [
          .binary(.lessOrEqual, .integer(0), position),
          .binary(.less, position, .integer(dilated(image, axis))),
        ]
      }
      guard lhsDilation[axis] > 1 else { return conditions }
      let rest = Expression.binary(.remainder, position, .integer(lhsDilation[axis]))
      return conditions + [.binary(.equal, rest, .integer(0))]
    }
    return .reduction(
      Reduction(
        ranges: [
          .init("ky", kernel[2], conditions: { index, taps in inside(0, index, taps[0]) }),
          .init("kx", kernel[3], conditions: { index, taps in inside(1, index, taps[1]) }),
          .init("i", kernel[1]),
        ],
        initial: { index, operand in
          operands.count == 3 ? operand(2, [index[1]]) : .real(0, result.element)
        },
        update: { sum, index, taps, operand in
          let channel = inputChannel(taps[2], of: index[1], kernel)
          let pixel = operand(
            0, [index[0], channel, pixel(0, index, taps[0]), pixel(1, index, taps[1])])
          return .fma(pixel, operand(1, [index[1], taps[2], taps[0], taps[1]]), sum)
        }))
  }

  /// The image's channel that is the `input`-th of the result channel's group.
  func inputChannel(
    _ input: Expression, of output: Expression, _ kernel: Shape
  ) -> Expression {
    if featureGroupCount == 1 { return input }
    let (outputs, inputs) = (kernel[0] / featureGroupCount, kernel[1])
    let group = outputs == 1 ? output : .binary(.divide, output, .integer(outputs))
    return inputs == 1 ? group : group * .integer(inputs) + input
  }

  /// The image's is a convolution with the kernel turned around, the kernel's an operation of its own.
  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    let (image, kernel, dy) = (call.operands[0], call.operands[1], call.cotangent)
    var gradients: [ValueID?] = [nil, nil]
    if call.wanted[0], reads(image, dy, kernel, builder) {
      gradients[0] = try imageGradient(dy, kernel, builder.shape(of: image), &builder)
    }
    if call.wanted[1] {
      let extents = Array(builder.shape(of: kernel).extents[2...])
      gradients[1] = try builder.apply(
        ConvolutionKernelGradient(
          kernel: extents, padding: padding, strides: strides, rhsDilation: rhsDilation,
          featureGroupCount: featureGroupCount),
        try spread(image, &builder), dy)
    }
    if call.operands.count == 3 {
      gradients.append(call.wanted[2] ? try builder.sum(dy, over: [0, 2, 3]) : nil)
    }
    return gradients
  }

  /// Rows (0) or columns (1) of zeros before and after the results, spread by strides, of which a turned kernel makes an
  /// image's gradient; cut off where negative.
  private func borders(
    _ axis: Int, _ image: Shape, _ result: Shape, _ window: Shape
  ) -> (spread: Int, low: Int, high: Int) {
    let spread = (result[axis + 2] - 1) * strides[axis] + 1
    let span = span(window, axis)
    let low = span - 1 - padding[2 * axis]
    return (spread, low, dilated(image, axis) + span - 1 - spread - low)
  }

  /// Whether results read any pixel, and not what lies around the image alone.
  func reads(
    _ image: ValueID, _ result: ValueID, _ kernel: ValueID, _ builder: GraphBuilder
  ) -> Bool {
    let shapes = [image, result, kernel].map(builder.shape)
    return (0..<2).allSatisfy { axis in
      let (spread, low, high) = borders(axis, shapes[0], shapes[1], shapes[2])
      return spread + min(low, 0) + min(high, 0) > 0
    }
  }

  /// The image with zeros between its pixels.
  private func spread(
    _ image: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID {
    guard lhsDilation != [1, 1] else { return image }
    let zeros = [0, 0, 0, 0]
    return try builder.apply(
      Pad(low: zeros, high: zeros, interior: [0, 0] + lhsDilation.map { $0 - 1 }), image)
  }

  /// What each pixel of an image of this shape receives from the results it went into: strides and dilation change
  /// places.
  ///
  /// As a layer of its own, with a bias for each channel of the image, it is a transposed convolution.
  public func imageGradient(
    _ dy: ValueID, _ kernel: ValueID, _ image: Shape, bias: ValueID? = nil,
    _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID {
    let (result, window) = (builder.shape(of: dy), builder.shape(of: kernel))
    var edges = Pad(low: [0, 0, 0, 0], high: [0, 0, 0, 0], interior: [0, 0, 0, 0])
    var zeros: [Int] = []
    for axis in 0..<2 {
      let (_, low, high) = borders(axis, image, result, window)
      (edges.low[axis + 2], edges.high[axis + 2]) = (min(low, 0), min(high, 0))
      zeros += [max(low, 0), max(high, 0)]
    }
    let turned = try builder.apply(
      Reverse(dimensions: [2, 3]), try exchanged(kernel, &builder))
    var gradient = Convolution(
      padding: zeros, strides: lhsDilation, lhsDilation: strides, rhsDilation: rhsDilation,
      featureGroupCount: featureGroupCount)
    let weights = [turned] + (bias.map { [$0] } ?? [])
    if edges.isIdentity { return try builder.results(gradient, [dy] + weights)[0] }
    // Cut off between pixels: then the zeros have to be there.
    edges.interior = [0, 0] + strides.map { $0 - 1 }
    gradient.lhsDilation = [1, 1]
    return try builder.results(gradient, [try builder.apply(edges, dy)] + weights)[0]
  }

  /// The kernel with the inputs and outputs of each group in each other's place.
  private func exchanged(
    _ kernel: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID {
    if featureGroupCount == 1 { return try builder.apply(Transpose([1, 0, 2, 3]), kernel) }
    let shape = builder.shape(of: kernel)
    let (outputs, inputs, taps) = (
      shape[0] / featureGroupCount, shape[1], Array(shape.extents[2...])
    )
    if outputs == 1 && inputs == 1 { return kernel }
    let groups = try builder.apply(
      Reshape(try Shape([featureGroupCount, outputs, inputs] + taps)), kernel)
    let turned = try builder.apply(Transpose([0, 2, 1, 3, 4]), groups)
    return try builder.apply(
      Reshape(try Shape([featureGroupCount * inputs, outputs] + taps)), turned)
  }
}
