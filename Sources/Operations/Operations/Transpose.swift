import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// The dimensions in another order.
public struct Transpose: TensorOperation {
  public static let mnemonic = "transpose"
  public static let summary =
    "The dimensions in another order: the result's dimension i is the operand's permutation[i]."

  public var permutation: [Int]
  public var isExact: Bool { true }

  public init(_ permutation: [Int]) { self.permutation = permutation }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    permutation = try reader.integers("permutation")
  }

  public var attributes: [Attribute] { [Attribute("permutation", .integers(permutation))] }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 1...1, mnemonic)
    try Require.float(operands, mnemonic)
    let shape = operands[0].shape
    guard permutation.sorted() == Array(0..<shape.rank) else {
      throw Diagnostic(
        "permutation = \(permutation) does not order the dimensions of \(operands[0])")
    }
    return [TensorType(try Shape(permutation.map { shape[$0] }), operands[0].element)]
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    let strides = operands[0].shape.rowMajorStrides
    var result = Tensor<Double>(results[0].shape, repeating: 0)
    var index = [Int](repeating: 0, count: permutation.count)
    for position in result.values.indices {
      let place = zip(permutation, index).reduce(0) { $0 + strides[$1.0] * $1.1 }
      result.values[position] = operands[0].values[place]
      Odometer.advance(&index, results[0].shape.extents)
    }
    return [result]
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    .pointwise { index, operand in
      var place = index
      for (position, dimension) in permutation.enumerated() { place[dimension] = index[position] }
      return operand(0, place)
    }
  }

  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    let inverse = permutation.indices.map { permutation.firstIndex(of: $0) ?? $0 }
    return [try builder.apply(Transpose(inverse), call.cotangent)]
  }

  public static var samples: [OperationSample] {
    [
      OperationSample(
        Transpose([1, 0, 2, 3]), [.sample([2, 3, 4, 5])],
        refused: [[.sample([2, 3])], [], [.sample([2, 3, 4, 5], .i32)]]),
      OperationSample(Transpose([2, 0, 1]), [.sample([2, 3, 4], .f64)]),
    ]
  }
}
