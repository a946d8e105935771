import Diagnostics
import GraphIR
import Operations
import Tensors

/// e^x divided by its sum along a dimension, and the logarithm of that; the largest x is subtracted, which changes nothing
/// and never overflows.
enum Softmax {
  static func softmax(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let (x, dimensions) = try operand(call)
    return [.value(try call.graph.builder.softmax(x, over: dimensions))]
  }

  static func logarithm(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let (x, dimensions) = try operand(call)
    let shape = call.shape(of: x)
    let kept = (0..<shape.rank).filter { !dimensions.contains($0) }
    func reduced(
      _ value: ValueID, _ reducer: Reduce.Reducer
    ) throws(Diagnostic) -> ValueID {
      try call.broadcast(
        try call.apply(Reduce(reducer, dimensions: dimensions), value), to: shape,
        dimensions: kept)
    }
    let exponents = try call.apply(Subtract(), x, try reduced(x, .max))
    let total = try reduced(try call.apply(Exponential(), exponents), .add)
    return [.value(try call.apply(Subtract(), exponents, try call.apply(Log(), total)))]
  }

  /// What is taken to a power, and the dimensions to sum over.
  private static func operand(
    _ call: NodeCall
  ) throws(Diagnostic) -> (x: ValueID, dimensions: [Int]) {
    let x = try call.value(0)
    let rank = call.shape(of: x).rank
    // Up to version 12 all dimensions from the axis on are one.
    let isOld = call.operatorSet < 13
    let axis = try call.dimension(try call.integer("axis", isOld ? 1 : -1), rank: rank)
    return (x, Array(axis..<(isOld ? rank : axis + 1)))
  }
}
