import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// The cotangent of a convolution's kernel.
public struct ConvolutionKernelGradient: TensorOperation {
  public static let mnemonic = "convolution_kernel_gradient"
  public static let summary =
    "dw[o,i,ky,kx] = sum over n, y, x of x[n, g I + i, y sy + ky ry - top, x sx + kx rx - left] dy[n,o,y,x]: what the kernel of a convolution with these attributes receives; operands x (the image, NCHW) and dy (the cotangent of the convolution's result). kernel = [rows, columns]; rhs_dilation and feature_group_count may be left out."

  public static let optionalAttributes = ["rhs_dilation", "feature_group_count"]

  /// Rows and columns of the kernel.
  public var kernel: [Int]
  /// Of the convolution.
  private var convolution: Convolution

  public init(
    kernel: [Int], padding: [Int], strides: [Int], rhsDilation: [Int] = [1, 1],
    featureGroupCount: Int = 1
  ) {
    self.kernel = kernel
    convolution = Convolution(
      padding: padding, strides: strides, rhsDilation: rhsDilation,
      featureGroupCount: featureGroupCount)
  }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    kernel = try reader.integers("kernel", count: 2)
    for value in kernel where value < 1 || value > 1 << 20 {
      throw Diagnostic("kernel must lie between 1 and 2^20, not \(value)")
    }
    convolution = try Convolution(&reader)
    guard convolution.lhsDilation == [1, 1] else {
      throw Diagnostic("\(Self.mnemonic) takes no lhs_dilation", help: "pad the image instead")
    }
  }

  public var attributes: [Attribute] {
    [Attribute("kernel", .integers(kernel))] + convolution.attributes
  }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 2...2, mnemonic)
    try Require.float(operands, mnemonic)
    for (operand, role) in zip(operands, ["image", "cotangent"]) {
      try Require.rank(4, operand, role)
    }
    let (image, cotangent) = (operands[0], operands[1])
    try Require.element(image.element, cotangent, "cotangent")
    let inputs = max(1, image.shape[1] / convolution.featureGroupCount)
    let type = TensorType(try Shape([cotangent.shape[1], inputs] + kernel), image.element)
    let result = try convolution.inferResults([image, type])
    try Require.shape(result[0].shape.extents, cotangent, "cotangent")
    return [type]
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    let (image, cotangent) = (operands[0], operands[1])
    var result = Tensor<Double>(results[0].shape, repeating: 0)
    var index = [Int](repeating: 0, count: 4)
    let outputs = cotangent.shape[1] / convolution.featureGroupCount
    for position in result.values.indices {
      let channel = index[0] / outputs * results[0].shape[1] + index[1]
      result.values[position] = element(index, channel, image, cotangent)
      Odometer.advance(&index, results[0].shape.extents)
    }
    return [result]
  }

  /// `channel` is the image's.
  private func element(
    _ index: [Int], _ channel: Int, _ image: Tensor<Double>, _ cotangent: Tensor<Double>
  ) -> Double {
    let (source, target) = (image.shape, cotangent.shape)
    func place(_ axis: Int, _ pixel: Int) -> Int {
      pixel * convolution.strides[axis] + index[axis + 2] * convolution.rhsDilation[axis]
        - convolution.padding[2 * axis]
    }
    var sum = 0.0
    for n in 0..<target[0] {
      for row in 0..<target[2] {
        let y = place(0, row)
        guard y >= 0, y < source[2] else { continue }
        let from = ((n * source[1] + channel) * source[2] + y) * source[3]
        let to = ((n * target[1] + index[0]) * target[2] + row) * target[3]
        for column in 0..<target[3] {
          let x = place(1, column)
          guard x >= 0, x < source[3] else { continue }
          sum += image.values[from + x] * cotangent.values[to + column]
        }
      }
    }
    return sum
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    let (image, cotangent) = (operands[0].shape, operands[1].shape)
    let (padding, strides) = (convolution.padding, convolution.strides)
    func place(_ axis: Int, _ index: [Expression], _ pixel: Expression) -> Expression {
      let (tap, distance) = (index[axis + 2], convolution.rhsDilation[axis])
      let reached = distance == 1 ? tap : tap * .integer(distance)
      return pixel * .integer(strides[axis]) + reached - .integer(padding[2 * axis])
    }
    func inside(_ axis: Int, _ index: [Expression], _ pixel: Expression) -> [Expression] {
      if padding[2 * axis] == 0 && padding[2 * axis + 1] == 0 { return [] }
      let position = place(axis, index, pixel)
      return [
        .binary(.lessOrEqual, .integer(0), position),
        .binary(.less, position, .integer(image[axis + 2])),
      ]
    }
    return .reduction(
      Reduction(
        ranges: [
          .init("image", cotangent[0]),
          .init("row", cotangent[2], conditions: { index, pixel in inside(0, index, pixel[1]) }),
          .init(
            "column", cotangent[3], conditions: { index, pixel in inside(1, index, pixel[2]) }),
        ],
        initial: { _, _ in .real(0, result.element) },
        update: { sum, index, pixel, operand in
          let channel = convolution.inputChannel(index[1], of: index[0], result.shape)
          let source = operand(
            0, [pixel[0], channel, place(0, index, pixel[1]), place(1, index, pixel[2])])
          return .fma(source, operand(1, [pixel[0], index[0], pixel[1], pixel[2]]), sum)
        }))
  }

  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    let (image, cotangent, dw) = (call.operands[0], call.operands[1], call.cotangent)
    return [
      call.wanted[0] && convolution.reads(image, cotangent, dw, builder)
        ? try convolution.imageGradient(cotangent, dw, builder.shape(of: image), &builder) : nil,
      call.wanted[1] ? try builder.apply(convolution, image, dw) : nil,
    ]
  }

  public static var samples: [OperationSample] {
    let x = TensorType.sample([2, 3, 6, 7])
    let dy = TensorType.sample([2, 4, 6, 7])
    let same = ConvolutionKernelGradient(kernel: [3, 3], padding: [1, 1, 1, 1], strides: [1, 1])
    return [
      OperationSample(
        same, [x, dy],
        refused: [
          [x, .sample([2, 4, 6, 6])], [x, .sample([1, 4, 6, 7])], [x],
          [x, .sample([2, 4, 6, 7], .f64)], [.sample([3, 6, 7]), dy],
        ]),
      OperationSample(same, [.sample([3, 16, 5, 9]), .sample([3, 32, 5, 9])]),
      OperationSample(same, [.sample([1, 17, 3, 4]), .sample([1, 1, 3, 4])]),
      OperationSample(same, [.sample([1, 1, 8, 12]), .sample([1, 19, 8, 12])]),
      OperationSample(
        ConvolutionKernelGradient(kernel: [4, 2], padding: [2, 0, 1, 3], strides: [2, 3]),
        [.sample([1, 2, 7, 8], .f64), .sample([1, 3, 3, 4], .f64)]),
      OperationSample(
        ConvolutionKernelGradient(
          kernel: [3, 3], padding: [1, 1, 1, 1], strides: [1, 1], featureGroupCount: 20),
        [.sample([2, 20, 5, 9]), .sample([2, 20, 5, 9])],
        refused: [
          [.sample([2, 20, 5, 9]), .sample([2, 30, 5, 9])],
          [.sample([2, 10, 5, 9]), .sample([2, 20, 5, 9])],
        ]),
      OperationSample(
        ConvolutionKernelGradient(
          kernel: [2, 3], padding: [2, 3, 0, 1], strides: [1, 2], rhsDilation: [3, 2],
          featureGroupCount: 2),
        [.sample([1, 4, 3, 6], .f64), .sample([1, 6, 5, 2], .f64)]),
    ]
  }
}
