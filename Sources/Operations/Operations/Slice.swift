import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// A box out of a tensor.
public struct Slice: TensorOperation {
  public static let mnemonic = "slice"
  public static let summary =
    "The elements from start to before limit, every strides[i]-th along dimension i, which has as many at least."

  public var start: [Int]
  public var limit: [Int]
  public var strides: [Int]
  public var isExact: Bool { true }

  public init(start: [Int], limit: [Int], strides: [Int]? = nil) {
    self.start = start
    self.limit = limit
    self.strides = strides ?? start.map { _ in 1 }
  }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    start = try reader.integers("start")
    limit = try reader.integers("limit", count: start.count)
    strides = try reader.integers("strides", count: start.count)
  }

  public var attributes: [Attribute] {
    [
      Attribute("start", .integers(start)), Attribute("limit", .integers(limit)),
      Attribute("strides", .integers(strides)),
    ]
  }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 1...1, mnemonic)
    try Require.float(operands, mnemonic)
    try Require.rank(start.count, operands[0], "operand")
    var extents: [Int] = []
    for (dimension, extent) in operands[0].shape.extents.enumerated() {
      let (first, end, step) = (start[dimension], limit[dimension], strides[dimension])
      guard first >= 0, end > first, end <= extent, step >= 1, step <= extent else {
        throw Diagnostic(
          "the slice from \(first) to \(end) in steps of \(step) is none of dimension \(dimension) of \(operands[0])"
        )
      }
      extents.append((end - first - 1) / step + 1)
    }
    return [TensorType(try Shape(extents), operands[0].element)]
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    let source = operands[0].shape.rowMajorStrides
    var result = Tensor<Double>(results[0].shape, repeating: 0)
    var index = [Int](repeating: 0, count: start.count)
    for position in result.values.indices {
      let place = index.indices.reduce(0) {
        $0 + source[$1] * (start[$1] + strides[$1] * index[$1])
      }
      result.values[position] = operands[0].values[place]
      Odometer.advance(&index, results[0].shape.extents)
    }
    return [result]
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    .pointwise { index, operand in
      operand(
        0,
        index.enumerated().map { dimension, place in
          place * .integer(strides[dimension]) + .integer(start[dimension])
        })
    }
  }

  /// Zeros around and between.
  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    let (source, result) = (
      builder.shape(of: call.operands[0]).extents, builder.shape(of: call.results[0]).extents
    )
    let last = start.indices.map { start[$0] + (result[$0] - 1) * strides[$0] }
    let pad = Pad(
      low: start, high: start.indices.map { source[$0] - 1 - last[$0] },
      interior: strides.map { $0 - 1 })
    return [pad.isIdentity ? call.cotangent : try builder.apply(pad, call.cotangent)]
  }

  public static var samples: [OperationSample] {
    let x = TensorType.sample([2, 5, 4, 6])
    return [
      OperationSample(
        Slice(start: [0, 1, 0, 0], limit: [2, 4, 4, 6]), [x],
        refused: [[.sample([2, 3, 4, 6])], [.sample([2])], [.sample([2, 5, 4, 6], .i32)]]),
      OperationSample(
        Slice(start: [1, 0, 1, 0], limit: [2, 5, 4, 6], strides: [1, 1, 2, 4]), [x]),
      OperationSample(Slice(start: [2], limit: [9], strides: [3]), [.sample([9], .f64)]),
    ]
  }
}
