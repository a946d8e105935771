import Diagnostics
import GraphIR
import Operations
import Tensors

/// e^x divided by its sum along a dimension; with the largest x subtracted, which changes nothing and never overflows.
enum Softmax {
  static func softmax(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let sums = try Self.sums(call)
    return [.value(try call.apply(Divide(), sums.powers, sums.total))]
  }

  static func logarithm(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let sums = try Self.sums(call)
    return [
      .value(try call.apply(Subtract(), sums.exponents, try call.apply(Log(), sums.total)))
    ]
  }

  /// x - max x, its powers of e, and their sums repeated.
  private static func sums(
    _ call: NodeCall
  ) throws(Diagnostic) -> (exponents: ValueID, powers: ValueID, total: ValueID) {
    let x = try call.value(0)
    let shape = call.shape(of: x)
    // Up to version 12 all dimensions from the axis on are one.
    let isOld = call.operatorSet < 13
    let axis = try call.dimension(try call.integer("axis", isOld ? 1 : -1), rank: shape.rank)
    let dimensions = Array(axis..<(isOld ? shape.rank : axis + 1))
    let kept = (0..<shape.rank).filter { !dimensions.contains($0) }
    func reduced(
      _ value: ValueID, _ reducer: Reduce.Reducer
    ) throws(Diagnostic) -> ValueID {
      try call.broadcast(
        try call.apply(Reduce(reducer, dimensions: dimensions), value), to: shape,
        dimensions: kept)
    }
    let exponents = try call.apply(Subtract(), x, try reduced(x, .max))
    let powers = try call.apply(Exponential(), exponents)
    return (exponents, powers, try reduced(powers, .add))
  }
}
