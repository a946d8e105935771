import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// Nearest-neighbour enlargement of images.
public struct UpsampleNearest: TensorOperation {
  public static let mnemonic = "upsample_nearest"
  public static let summary =
    "Repeats each pixel of an NCHW tensor scale[0] times down and scale[1] times across."

  public static let mostTimes = 64

  public var scale: [Int]
  public var isExact: Bool { true }

  public init(scale: [Int]) { self.scale = scale }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    scale = try reader.integers("scale", count: 2)
    guard scale.allSatisfy((1...Self.mostTimes).contains) else {
      throw Diagnostic("scale = \(scale) must lie between 1 and \(Self.mostTimes)")
    }
  }

  public var attributes: [Attribute] { [Attribute("scale", .integers(scale))] }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 1...1, mnemonic)
    try Require.float(operands, mnemonic)
    try Require.rank(4, operands[0], "operand")
    let extents = operands[0].shape.extents
    let shape = try Shape([
      extents[0], extents[1], extents[2] * scale[0], extents[3] * scale[1],
    ])
    return [TensorType(shape, operands[0].element)]
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    let source = operands[0]
    let (height, width) = (source.shape[2], source.shape[3])
    var result = Tensor<Double>(results[0].shape, repeating: 0)
    var position = 0
    for plane in 0..<source.shape[0] * source.shape[1] {
      for y in 0..<height * scale[0] {
        for x in 0..<width * scale[1] {
          result.values[position] =
            source.values[(plane * height + y / scale[0]) * width + x / scale[1]]
          position += 1
        }
      }
    }
    return [result]
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    .pointwise { index, operand in
      operand(
        0,
        [
          index[0], index[1], .binary(.divide, index[2], .integer(scale[0])),
          .binary(.divide, index[3], .integer(scale[1])),
        ])
    }
  }

  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    [try builder.apply(ReduceWindow(.add, window: scale, strides: scale), call.cotangent)]
  }

  public static var samples: [OperationSample] {
    [
      OperationSample(
        UpsampleNearest(scale: [2, 2]), [.sample([2, 3, 4, 5])],
        refused: [[.sample([3, 4])], [.sample([1, 1, 2, 2], .i32)], []]),
      OperationSample(UpsampleNearest(scale: [3, 1]), [.sample([1, 2, 2, 3], .f64)]),
    ]
  }
}
