import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// Sums over whole dimensions.
public struct Reduce: TensorOperation {
  public static let mnemonic = "reduce"
  public static let summary =
    "The sum (reducer = add) over the given dimensions, which the result no longer has."

  /// Ascending.
  public var dimensions: [Int]

  public init(dimensions: [Int]) { self.dimensions = dimensions }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    _ = try reader.word("reducer", of: ["add"])
    dimensions = try reader.integers("dimensions")
  }

  public var attributes: [Attribute] {
    [Attribute("reducer", .word("add")), Attribute("dimensions", .integers(dimensions))]
  }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 1...1, mnemonic)
    try Require.float(operands, mnemonic)
    let rank = operands[0].shape.rank
    guard !dimensions.isEmpty, zip(dimensions, dimensions.dropFirst()).allSatisfy({ $0 < $1 }),
      dimensions.allSatisfy((0..<rank).contains)
    else {
      throw Diagnostic(
        "dimensions = \(dimensions) must ascend and be some of the \(rank) of \(operands[0])")
    }
    let kept = kept(rank).map { operands[0].shape[$0] }
    return [TensorType(try Shape(kept), operands[0].element)]
  }

  private func kept(_ rank: Int) -> [Int] { (0..<rank).filter { !dimensions.contains($0) } }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    let source = operands[0].shape
    let kept = kept(source.rank)
    let strides = results[0].shape.rowMajorStrides
    var result = Tensor<Double>(results[0].shape, repeating: 0)
    var index = [Int](repeating: 0, count: source.rank)
    for value in operands[0].values {
      let place = zip(kept, strides).reduce(0) { $0 + index[$1.0] * $1.1 }
      result.values[place] += value
      Odometer.advance(&index, source.extents)
    }
    return [result]
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    let kept = kept(operands[0].shape.rank)
    return .reduction(
      Reduction(
        ranges: dimensions.map { .init("r\($0)", operands[0].shape[$0]) },
        initial: { _, _ in .real(0, result.element) },
        update: { sum, index, reduced, operand in
          var place = [Expression](repeating: .integer(0), count: operands[0].shape.rank)
          for (dimension, expression) in zip(kept, index) { place[dimension] = expression }
          for (dimension, expression) in zip(dimensions, reduced) { place[dimension] = expression }
          return sum + operand(0, place)
        }))
  }

  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    let shape = builder.shape(of: call.operands[0])
    return [try builder.broadcast(call.cotangent, to: shape, dimensions: kept(shape.rank))]
  }

  public static var samples: [OperationSample] {
    [
      OperationSample(
        Reduce(dimensions: [0, 2, 3]), [.sample([2, 3, 5, 7])],
        refused: [[.sample([2, 3])], [], [.sample([2, 3, 5, 7], .i32)]]),
      OperationSample(Reduce(dimensions: [0, 2, 3]), [.sample([3, 32, 8, 9])]),
      OperationSample(Reduce(dimensions: [0, 1, 2, 3]), [.sample([2, 1, 8, 16])]),
      OperationSample(Reduce(dimensions: [1]), [.sample([3, 4], .f64)]),
      OperationSample(Reduce(dimensions: [0]), [.sample([19])]),
    ]
  }
}
