import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// Repeats a tensor along new or unit dimensions.
public struct BroadcastInDim: TensorOperation {
  public static let mnemonic = "broadcast_in_dim"
  public static let summary =
    "Repeats the operand: its dimension i becomes dimension dimensions[i] of the declared result, and extents of 1 are stretched."

  /// For each dimension of the operand, the result's dimension it becomes; ascending.
  public var dimensions: [Int]
  public var shape: Shape
  public var isExact: Bool { true }

  public init(_ shape: Shape, dimensions: [Int]) {
    self.shape = shape
    self.dimensions = dimensions
  }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    dimensions = try reader.integers("dimensions")
    shape = try reader.declaredType().shape
  }

  public var attributes: [Attribute] { [Attribute("dimensions", .integers(dimensions))] }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 1...1, mnemonic)
    let operand = operands[0]
    guard operand.shape.rank == dimensions.count else {
      throw Diagnostic("\(dimensions.count) dimensions are given for the operand \(operand)")
    }
    for (position, dimension) in dimensions.enumerated() {
      guard dimension >= 0, dimension < shape.rank,
        position == 0 || dimension > dimensions[position - 1]
      else {
        throw Diagnostic(
          "dimensions = \(dimensions) must ascend and stay below the result's rank \(shape.rank)")
      }
      guard operand.shape[position] == 1 || operand.shape[position] == shape[dimension] else {
        throw Diagnostic(
          "extent \(operand.shape[position]) of the operand does not stretch to \(shape[dimension])"
        )
      }
    }
    return [TensorType(shape, operand.element)]
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    var result = Tensor<Double>(shape, repeating: 0)
    let strides = operands[0].shape.rowMajorStrides
    var index = [Int](repeating: 0, count: shape.rank)
    for position in result.values.indices {
      var source = 0
      for (own, dimension) in dimensions.enumerated() where operands[0].shape[own] > 1 {
        source += strides[own] * index[dimension]
      }
      result.values[position] = operands[0].values[source]
      Odometer.advance(&index, shape.extents)
    }
    return [result]
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    .pointwise { index, operand in
      operand(
        0,
        dimensions.enumerated().map { own, dimension in
          operands[0].shape[own] == 1 ? .integer(0) : index[dimension]
        })
    }
  }

  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    let operand = builder.shape(of: call.operands[0])
    let stretched = dimensions.indices.filter { operand[$0] == 1 && shape[dimensions[$0]] > 1 }
    let kept = dimensions.indices.filter { !stretched.contains($0) }
    let summed = (0..<shape.rank).filter { dimension in
      !kept.contains { dimensions[$0] == dimension }
    }
    let total = try builder.sum(call.cotangent, over: summed)
    // The extents of 1 that were stretched come back.
    return [try builder.broadcast(total, to: operand, dimensions: Array(kept))]
  }

  public static var samples: [OperationSample] {
    guard let wide = try? Shape([2, 3, 4]) else { return [] }
    return [
      OperationSample(
        BroadcastInDim(wide, dimensions: [1]), [.sample([3])],
        refused: [[.sample([2])], [.sample([3, 1])], []]),
      OperationSample(BroadcastInDim(wide, dimensions: [0, 2]), [.sample([1, 4], .f64)]),
      OperationSample(BroadcastInDim(wide, dimensions: []), [.sample([])]),
    ]
  }
}

/// Steps an index through a shape in row-major order.
enum Odometer {
  static func advance(_ index: inout [Int], _ extents: [Int]) {
    for dimension in extents.indices.reversed() {
      index[dimension] += 1
      if index[dimension] < extents[dimension] { return }
      index[dimension] = 0
    }
  }
}
