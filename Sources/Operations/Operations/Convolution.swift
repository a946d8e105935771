import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// Two-dimensional convolution (cross-correlation, as in every deep-learning library) with zero padding.
public struct Convolution: TensorOperation {
  public static let mnemonic = "convolution"
  public static let summary =
    "y[n,o,y,x] = bias[o] + sum over i, ky, kx of x[n, i, (y sy + ky - top) / dy, (x sx + kx - left) / dx] w[o,i,ky,kx]; operands x (NCHW), w (OIHW) and, optionally, bias; what lies outside the image or between its pixels is not accumulated. padding = [top, bottom, left, right]; lhs_dilation = [dy, dx], which may be left out, is the distance of neighbouring pixels (a transposed convolution with these strides)."

  public static let optionalAttributes = ["lhs_dilation"]

  /// Top, bottom, left, right.
  public var padding: [Int]
  /// Down, across.
  public var strides: [Int]
  /// The distance of neighbouring pixels, down and across.
  public var lhsDilation: [Int]

  public init(
    padding: [Int] = [0, 0, 0, 0], strides: [Int] = [1, 1], lhsDilation: [Int] = [1, 1]
  ) {
    self.padding = padding
    self.strides = strides
    self.lhsDilation = lhsDilation
  }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    padding = try reader.integers("padding", count: 4)
    strides = try reader.integers("strides", count: 2)
    lhsDilation = try reader.integers("lhs_dilation", count: 2, default: [1, 1])
    for value in padding where value < 0 || value > 1024 {
      throw Diagnostic("padding must lie between 0 and 1024, not \(value)")
    }
    for (name, values) in [("strides", strides), ("lhs_dilation", lhsDilation)] {
      for value in values where value < 1 || value > 1024 {
        throw Diagnostic("\(name) must lie between 1 and 1024, not \(value)")
      }
    }
  }

  public var attributes: [Attribute] {
    let dilation = [Attribute("lhs_dilation", .integers(lhsDilation))]
    return [Attribute("padding", .integers(padding)), Attribute("strides", .integers(strides))]
      + (isDilated ? dilation : [])
  }

  private var isDilated: Bool { lhsDilation != [1, 1] }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 2...3, mnemonic)
    try Require.float(operands, mnemonic)
    let (image, kernel) = (operands[0], operands[1])
    try Require.rank(4, image, "image")
    try Require.rank(4, kernel, "kernel")
    try Require.element(image.element, kernel, "kernel")
    guard image.shape[1] == kernel.shape[1] else {
      throw Diagnostic(
        "the kernel \(kernel) takes \(kernel.shape[1]) channels, but the image \(image) has \(image.shape[1])"
      )
    }
    if operands.count == 3 {
      try Require.shape([kernel.shape[0]], operands[2], "bias")
      try Require.element(image.element, operands[2], "bias")
    }
    var extents = [image.shape[0], kernel.shape[0]]
    for axis in 0..<2 {
      let padded = dilated(image.shape, axis) + padding[2 * axis] + padding[2 * axis + 1]
      guard padded >= kernel.shape[axis + 2] else {
        throw Diagnostic("the kernel \(kernel) is larger than the padded image \(image)")
      }
      extents.append((padded - kernel.shape[axis + 2]) / strides[axis] + 1)
    }
    return [TensorType(try Shape(extents), image.element)]
  }

  /// Rows or columns from the image's first pixel to its last.
  private func dilated(_ image: Shape, _ axis: Int) -> Int {
    (image[axis + 2] - 1) * lhsDilation[axis] + 1
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    [
      ReferenceConvolution(
        image: operands[0], kernel: operands[1], bias: operands.count == 3 ? operands[2] : nil,
        padding: padding, strides: strides, dilation: lhsDilation, result: results[0].shape
      ).run()
    ]
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    let (image, kernel) = (operands[0].shape, operands[1].shape)
    /// Row or column under a tap, in the dilated image.
    func place(_ axis: Int, _ index: [Expression], _ tap: Expression) -> Expression {
      index[axis + 2] * .integer(strides[axis]) + tap - .integer(padding[2 * axis])
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
          let pixel = operand(
            0, [index[0], taps[2], pixel(0, index, taps[0]), pixel(1, index, taps[1])])
          return .fma(pixel, operand(1, [index[1], taps[2], taps[0], taps[1]]), sum)
        }))
  }

  /// The image's is a convolution with the kernel turned around, the kernel's an operation of its own.
  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    let (image, kernel, dy) = (call.operands[0], call.operands[1], call.cotangent)
    var gradients: [ValueID?] = [nil, nil]
    if call.wanted[0] {
      gradients[0] = try imageGradient(dy, kernel, builder.shape(of: image), &builder)
    }
    if call.wanted[1] {
      let extents = Array(builder.shape(of: kernel).extents[2...])
      gradients[1] = try builder.apply(
        ConvolutionKernelGradient(kernel: extents, padding: padding, strides: strides),
        try spread(image, &builder), dy)
    }
    if call.operands.count == 3 {
      gradients.append(call.wanted[2] ? try builder.sum(dy, over: [0, 2, 3]) : nil)
    }
    return gradients
  }

  /// The image with zeros between its pixels.
  private func spread(
    _ image: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID {
    guard isDilated else { return image }
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
    let (result, taps) = (builder.shape(of: dy), builder.shape(of: kernel))
    var edges = Pad(low: [0, 0, 0, 0], high: [0, 0, 0, 0], interior: [0, 0, 0, 0])
    var borders: [Int] = []
    for axis in 0..<2 {
      let spread = (result[axis + 2] - 1) * strides[axis] + 1
      let low = taps[axis + 2] - 1 - padding[2 * axis]
      let high = dilated(image, axis) + taps[axis + 2] - 1 - spread - low
      (edges.low[axis + 2], edges.high[axis + 2]) = (min(low, 0), min(high, 0))
      borders += [max(low, 0), max(high, 0)]
    }
    let exchanged = try builder.apply(Transpose([1, 0, 2, 3]), kernel)
    let turned = try builder.apply(Reverse(dimensions: [2, 3]), exchanged)
    var gradient = Convolution(padding: borders, strides: lhsDilation, lhsDilation: strides)
    let weights = [turned] + (bias.map { [$0] } ?? [])
    if edges.isIdentity { return try builder.results(gradient, [dy] + weights)[0] }
    // Cut off between pixels: then the zeros have to be there.
    edges.interior = [0, 0] + strides.map { $0 - 1 }
    gradient.lhsDilation = [1, 1]
    return try builder.results(gradient, [try builder.apply(edges, dy)] + weights)[0]
  }

  public static var samples: [OperationSample] {
    let x = TensorType.sample([2, 3, 6, 7])
    let w = TensorType.sample([4, 3, 3, 3])
    let same = Convolution(padding: [1, 1, 1, 1])
    return [
      OperationSample(
        same, [x, w, .sample([4])],
        refused: [
          [x, .sample([4, 2, 3, 3])], [x, w, .sample([3])], [x], [x, .sample([4, 3, 9, 3])],
          [x, .sample([4, 3, 3, 3], .f64)], [.sample([3, 6, 7]), w],
        ]),
      OperationSample(same, [.sample([1, 16, 5, 19]), .sample([32, 16, 3, 3])]),
      OperationSample(same, [.sample([1, 17, 3, 4]), .sample([1, 17, 3, 3]), .sample([1])]),
      OperationSample(
        Convolution(), [.sample([1, 8, 4, 5]), .sample([2, 8, 1, 1]), .sample([2])]),
      OperationSample(
        Convolution(padding: [2, 0, 1, 3], strides: [2, 3]),
        [.sample([1, 2, 7, 8], .f64), .sample([3, 2, 4, 2], .f64)]),
      OperationSample(
        Convolution(padding: [1, 1, 1, 1], lhsDilation: [2, 2]),
        [.sample([1, 8, 4, 5]), .sample([16, 8, 2, 2]), .sample([16])]),
      OperationSample(
        Convolution(padding: [2, 3, 0, 1], strides: [1, 2], lhsDilation: [2, 3]),
        [.sample([2, 3, 4, 5], .f64), .sample([2, 3, 3, 4], .f64)]),
    ]
  }
}
