import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// Zeros around a tensor and between its elements.
public struct Pad: TensorOperation {
  public static let mnemonic = "pad"
  public static let summary =
    "low[i] zeros before, high[i] after the elements of dimension i, and interior[i] between neighbours; negative low and high cut off instead."

  public var low: [Int]
  public var high: [Int]
  public var interior: [Int]
  public var isExact: Bool { true }

  public init(low: [Int], high: [Int], interior: [Int]) {
    self.low = low
    self.high = high
    self.interior = interior
  }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    low = try reader.integers("low")
    high = try reader.integers("high", count: low.count)
    interior = try reader.integers("interior", count: low.count)
    let limit = Shape.maximumElements
    for value in low + high where abs(value.clamped(to: -limit...limit)) >= limit {
      throw Diagnostic("low and high must lie between -2^36 and 2^36, not \(value)")
    }
    for value in interior where value < 0 || value > 1024 {
      throw Diagnostic("interior must lie between 0 and 1024, not \(value)")
    }
  }

  public var attributes: [Attribute] {
    [
      Attribute("low", .integers(low)), Attribute("high", .integers(high)),
      Attribute("interior", .integers(interior)),
    ]
  }

  /// Whether nothing is added or cut off.
  var isIdentity: Bool { (low + high + interior).allSatisfy { $0 == 0 } }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 1...1, mnemonic)
    try Require.float(operands, mnemonic)
    try Require.rank(low.count, operands[0], "operand")
    let extents = operands[0].shape.extents.enumerated().map { dimension, extent in
      extent + (extent - 1) * interior[dimension] + low[dimension] + high[dimension]
    }
    return [TensorType(try Shape(extents), operands[0].element)]
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    let (shape, target) = (operands[0].shape, results[0].shape)
    var result = Tensor<Double>(target, repeating: 0)
    var index = [Int](repeating: 0, count: shape.rank)
    for value in operands[0].values {
      let place = index.indices.map { low[$0] + index[$0] * (interior[$0] + 1) }
      if place.indices.allSatisfy({ (0..<target[$0]).contains(place[$0]) }) {
        result.values[zip(place, target.rowMajorStrides).reduce(0) { $0 + $1.0 * $1.1 }] = value
      }
      Odometer.advance(&index, shape.extents)
    }
    return [result]
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    .pointwise { index, operand in
      var conditions: [Expression] = []
      let place = index.enumerated().map { dimension, place in
        source(place, dimension, operands[0].shape[dimension], &conditions)
      }
      let value = operand(0, place)
      guard let first = conditions.first else { return value }
      let inside = conditions.dropFirst().reduce(first) { .binary(.and, $0, $1) }
      return .select(inside, value, .real(0, result.element))
    }
  }

  /// The operand's index for the result's, kept inside of it, and the conditions under which it is meant.
  private func source(
    _ place: Expression, _ dimension: Int, _ extent: Int, _ conditions: inout [Expression]
  ) -> Expression {
    if low[dimension] == 0, high[dimension] == 0, interior[dimension] == 0 { return place }
    let step = interior[dimension] + 1
    let shifted = place - .integer(low[dimension])
    let last = (extent - 1) * step
    conditions.append(.binary(.lessOrEqual, .integer(0), shifted))
    conditions.append(.binary(.lessOrEqual, shifted, .integer(last)))
    if step > 1 {
      conditions.append(
        .binary(.equal, .binary(.remainder, shifted, .integer(step)), .integer(0)))
    }
    let inside = Expression.binary(
      .maximum, .integer(0), .binary(.minimum, shifted, .integer(last)))
    return step == 1 ? inside : .binary(.divide, inside, .integer(step))
  }

  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    let opposite = Pad(
      low: low.map(-), high: high.map(-), interior: interior.map { _ in 0 })
    let inner = opposite.isIdentity ? call.cotangent : try builder.apply(opposite, call.cotangent)
    if interior.allSatisfy({ $0 == 0 }) { return [inner] }
    let limit = builder.shape(of: inner).extents
    return [
      try builder.apply(
        Slice(start: low.map { _ in 0 }, limit: limit, strides: interior.map { $0 + 1 }), inner)
    ]
  }

  public static var samples: [OperationSample] {
    let x = TensorType.sample([1, 2, 3, 4])
    return [
      OperationSample(
        Pad(low: [0, 1, 0, 2], high: [0, 0, 1, 0], interior: [0, 0, 0, 0]), [x],
        refused: [[.sample([2, 3])], [x, x], [.sample([1, 2, 3, 4], .i32)]]),
      OperationSample(
        Pad(low: [0, 0, 1, -1], high: [0, 0, -1, 2], interior: [0, 0, 1, 2]), [x],
        refused: [[.sample([1, 2, 3])]]),
      OperationSample(Pad(low: [1], high: [0], interior: [1]), [.sample([5], .f64)]),
    ]
  }
}

extension Comparable {
  func clamped(to range: ClosedRange<Self>) -> Self {
    min(max(self, range.lowerBound), range.upperBound)
  }
}
