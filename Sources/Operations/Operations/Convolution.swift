import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// Two-dimensional convolution (cross-correlation, as in every deep-learning library) with zero padding.
public struct Convolution: TensorOperation {
  public static let mnemonic = "convolution"
  public static let summary =
    "y[n,o,y,x] = bias[o] + sum over i, ky, kx of x[n, i, y sy + ky - top, x sx + kx - left] w[o,i,ky,kx]; operands x (NCHW), w (OIHW) and, optionally, bias; outside the image x is zero and not accumulated. padding = [top, bottom, left, right]."

  /// Top, bottom, left, right.
  public var padding: [Int]
  /// Down, across.
  public var strides: [Int]

  public init(padding: [Int] = [0, 0, 0, 0], strides: [Int] = [1, 1]) {
    self.padding = padding
    self.strides = strides
  }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    padding = try reader.integers("padding", count: 4)
    strides = try reader.integers("strides", count: 2)
    for value in padding where value < 0 || value > 1024 {
      throw Diagnostic("padding must lie between 0 and 1024, not \(value)")
    }
    for value in strides where value < 1 || value > 1024 {
      throw Diagnostic("strides must lie between 1 and 1024, not \(value)")
    }
  }

  public var attributes: [Attribute] {
    [Attribute("padding", .integers(padding)), Attribute("strides", .integers(strides))]
  }

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
      let padded = image.shape[axis + 2] + padding[2 * axis] + padding[2 * axis + 1]
      guard padded >= kernel.shape[axis + 2] else {
        throw Diagnostic("the kernel \(kernel) is larger than the padded image \(image)")
      }
      extents.append((padded - kernel.shape[axis + 2]) / strides[axis] + 1)
    }
    return [TensorType(try Shape(extents), image.element)]
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    [
      ReferenceConvolution(
        image: operands[0], kernel: operands[1], bias: operands.count == 3 ? operands[2] : nil,
        padding: padding, strides: strides, result: results[0].shape
      ).run()
    ]
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    let (image, kernel) = (operands[0].shape, operands[1].shape)
    /// Row or column of the image under a tap.
    func place(_ axis: Int, _ index: [Expression], _ tap: Expression) -> Expression {
      index[axis + 2] * .integer(strides[axis]) + tap - .integer(padding[2 * axis])
    }
    func inside(_ axis: Int, _ index: [Expression], _ tap: Expression) -> [Expression] {
      if padding[2 * axis] == 0 && padding[2 * axis + 1] == 0 { return [] }
      let position = place(axis, index, tap)
      return [
        .binary(.lessOrEqual, .integer(0), position),
        .binary(.less, position, .integer(image[axis + 2])),
      ]
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
            0, [index[0], taps[2], place(0, index, taps[0]), place(1, index, taps[1])])
          return .fma(pixel, operand(1, [index[1], taps[2], taps[0], taps[1]]), sum)
        }))
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
    ]
  }
}
