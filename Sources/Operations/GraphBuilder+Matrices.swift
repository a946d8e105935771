import Diagnostics
import GraphIR
import Tensors

/// Products of matrices, and what stands between them in attention.
extension GraphBuilder {
  /// The product of the last two dimensions, as NumPy's `matmul`: those before are repeated where they have one element;
  /// a vector is a row on the left and a column on the right, which the result does not have.
  public mutating func matmul(_ a: ValueID, _ b: ValueID) throws(Diagnostic) -> ValueID {
    let (left, right) = (shape(of: a), shape(of: b))
    guard left.rank >= 1, right.rank >= 1 else {
      throw Diagnostic("it multiplies \(left) and \(right)", help: "use matrices or vectors")
    }
    let inner = max(right.rank - 2, 0)
    guard left[left.rank - 1] == right[inner] else {
      throw Diagnostic("\(left) and \(right) do not fit together")
    }
    // One matrix or vector for all.
    if left.rank == 1 || right.rank <= 2 {
      return try apply(
        DotGeneral(.init(contracting: [left.rank - 1]), .init(contracting: [inner])), a, b)
    }
    let batch = try Self.common(left.extents.dropLast(2), right.extents.dropLast(2), left, right)
    let batches = Array(batch.indices)
    let operation = DotGeneral(
      .init(batching: batches, contracting: [batch.count + 1]),
      .init(batching: batches, contracting: [batch.count]))
    return try apply(operation, try repeated(a, batch), try repeated(b, batch))
  }

  /// The extents that both can be repeated to, counted from the last.
  private static func common(
    _ a: ArraySlice<Int>, _ b: ArraySlice<Int>, _ left: Shape, _ right: Shape
  ) throws(Diagnostic) -> [Int] {
    let rank = max(a.count, b.count)
    func wide(_ extents: ArraySlice<Int>) -> [Int] {
      [Int](repeating: 1, count: rank - extents.count) + extents
    }
    let pairs = Array(zip(wide(a), wide(b)))
    guard pairs.allSatisfy({ $0 == $1 || $0 == 1 || $1 == 1 }) else {
      throw Diagnostic("matrices of the shapes \(left) and \(right) cannot be paired")
    }
    return pairs.map { max($0, $1) }
  }

  /// The matrices once for each element of the batch.
  private mutating func repeated(
    _ matrices: ValueID, _ batch: [Int]
  ) throws(Diagnostic) -> ValueID {
    let own = shape(of: matrices)
    let wide = try Shape(batch + own.extents.suffix(2))
    return try broadcast(
      matrices, to: wide, dimensions: Array(wide.rank - own.rank..<wide.rank))
  }

  /// e^x divided by its sum over some dimensions; the largest x is subtracted, which changes nothing and never overflows.
  public mutating func softmax(
    _ x: ValueID, over dimensions: [Int]
  ) throws(Diagnostic) -> ValueID {
    let shape = shape(of: x)
    let kept = (0..<shape.rank).filter { !dimensions.contains($0) }
    let largest = try apply(Reduce(.max, dimensions: dimensions), x)
    let powers = try apply(
      Exponential(), try subtract(x, try broadcast(largest, to: shape, dimensions: kept)))
    let total = try sum(powers, over: dimensions)
    // One quotient for each sum, not one for each power.
    let factor = try divide(try constant(1, like: total), total)
    return try multiply(powers, try broadcast(factor, to: shape, dimensions: kept))
  }
}
