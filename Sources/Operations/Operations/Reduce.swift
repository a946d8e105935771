import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// Sums over whole dimensions, or the largest of their elements.
public struct Reduce: TensorOperation {
  public static let mnemonic = "reduce"
  public static let summary =
    "The sum (reducer = add) or the largest element (reducer = max; NaN where one is NaN) over the given dimensions, which the result no longer has."

  public typealias Reducer = ReduceWindow.Reducer

  public var reducer: Reducer
  /// Ascending.
  public var dimensions: [Int]
  public var isExact: Bool { reducer == .max }

  public init(_ reducer: Reducer = .add, dimensions: [Int]) {
    self.reducer = reducer
    self.dimensions = dimensions
  }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    let word = try reader.word("reducer", of: Reducer.allCases.map(\.rawValue))
    reducer = Reducer(rawValue: word) ?? .add
    dimensions = try reader.integers("dimensions")
  }

  public var attributes: [Attribute] {
    [
      Attribute("reducer", .word(reducer.rawValue)),
      Attribute("dimensions", .integers(dimensions)),
    ]
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
    var result = Tensor<Double>(results[0].shape, repeating: initial)
    var index = [Int](repeating: 0, count: source.rank)
    for value in operands[0].values {
      let place = zip(kept, strides).reduce(0) { $0 + index[$1.0] * $1.1 }
      result.values[place] =
        reducer == .max
        ? Maximum.reference(result.values[place], value) : result.values[place] + value
      Odometer.advance(&index, source.extents)
    }
    return [result]
  }

  /// What no element changes.
  private var initial: Double { reducer == .max ? -.infinity : 0 }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    let kept = kept(operands[0].shape.rank)
    return .reduction(
      Reduction(
        ranges: dimensions.map { .init("r\($0)", operands[0].shape[$0]) },
        initial: { _, _ in .real(initial, result.element) },
        update: { accumulated, index, reduced, operand in
          var place = [Expression](repeating: .integer(0), count: operands[0].shape.rank)
          for (dimension, expression) in zip(kept, index) { place[dimension] = expression }
          for (dimension, expression) in zip(dimensions, reduced) { place[dimension] = expression }
          return .binary(reducer == .max ? .maximum : .add, accumulated, operand(0, place))
        }))
  }

  /// That of the largest element is shared among all that are as large.
  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    let x = call.operands[0]
    let shape = builder.shape(of: x)
    let kept = kept(shape.rank)
    guard reducer == .max else {
      return [try builder.broadcast(call.cotangent, to: shape, dimensions: kept)]
    }
    let largest = try builder.broadcast(call.results[0], to: shape, dimensions: kept)
    let mask = try builder.apply(Compare(.EQ), x, largest)
    let share = try builder.divide(call.cotangent, try builder.sum(mask, over: dimensions))
    return [
      try builder.multiply(mask, try builder.broadcast(share, to: shape, dimensions: kept))
    ]
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
      OperationSample(Reduce(.max, dimensions: [1]), [.sample([2, 3, 4, 5])]),
      OperationSample(Reduce(.max, dimensions: [0, 2]), [.sample([3, 2, 17], .f64)]),
    ]
  }
}
