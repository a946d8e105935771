import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// The elements of some dimensions in the opposite order.
public struct Reverse: TensorOperation {
  public static let mnemonic = "reverse"
  public static let summary = "The elements along each of the given dimensions in opposite order."

  public var dimensions: [Int]
  public var isExact: Bool { true }

  public init(dimensions: [Int]) { self.dimensions = dimensions }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    dimensions = try reader.integers("dimensions")
  }

  public var attributes: [Attribute] { [Attribute("dimensions", .integers(dimensions))] }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 1...1, mnemonic)
    try Require.float(operands, mnemonic)
    let rank = operands[0].shape.rank
    guard dimensions.allSatisfy((0..<rank).contains), Set(dimensions).count == dimensions.count
    else {
      throw Diagnostic(
        "dimensions = \(dimensions) are not different ones of the \(rank) of \(operands[0])")
    }
    return operands
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    let shape = operands[0].shape
    let strides = shape.rowMajorStrides
    var result = operands[0]
    var index = [Int](repeating: 0, count: shape.rank)
    for position in result.values.indices {
      let place = index.indices.reduce(0) { sum, dimension in
        let isReversed = dimensions.contains(dimension)
        let own = isReversed ? shape[dimension] - 1 - index[dimension] : index[dimension]
        return sum + strides[dimension] * own
      }
      result.values[position] = operands[0].values[place]
      Odometer.advance(&index, shape.extents)
    }
    return [result]
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    .pointwise { index, operand in
      var place = index
      for dimension in dimensions {
        place[dimension] = .integer(result.shape[dimension] - 1) - index[dimension]
      }
      return operand(0, place)
    }
  }

  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] { [try builder.apply(self, call.cotangent)] }

  public static var samples: [OperationSample] {
    [
      OperationSample(
        Reverse(dimensions: [2, 3]), [.sample([2, 3, 4, 5])],
        refused: [[.sample([2, 3])], [], [.sample([2, 3, 4, 5], .i32)]]),
      OperationSample(Reverse(dimensions: [0]), [.sample([4], .f64)]),
    ]
  }
}
