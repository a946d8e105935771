import Diagnostics
import GraphIR
import Operations
import Tensors

/// Sums, means, norms and extrema over whole dimensions.
enum Reductions {
  static func sum(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    [.value(try Region(call, axesAreInputSince: 13).reduced(try call.value(0)))]
  }

  static func mean(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let region = try Region(call)
    let total = try region.reduced(try call.value(0))
    return [.value(try call.graph.builder.multiply(total, 1 / Double(region.count)))]
  }

  /// Of a list that is known, as of sizes.
  static func product(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    guard case .integers(let known) = call.input(0), known.extents.count <= 1 else {
      throw Diagnostic(
        "it multiplies what is known only when the network runs", help: "write it with Mul")
    }
    var product = 1
    for value in known.values {
      let (next, overflow) = product.multipliedReportingOverflow(by: value)
      guard !overflow else { throw Diagnostic("the product of \(known.values) is too large") }
      product = next
    }
    let keeps = try call.integer("keepdims", 1) != 0
    return [.integers(try KnownIntegers(keeps ? known.extents.map { _ in 1 } : [], [product]))]
  }

  static func maximum(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    [.value(try Region(call).reduced(try call.value(0), by: .max))]
  }

  /// -max(-x)
  static func minimum(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let negative = try call.apply(Negate(), try call.value(0))
    return [.value(try call.apply(Negate(), try Region(call).reduced(negative, by: .max)))]
  }

  static func absoluteSum(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    [.value(try Region(call).reduced(try call.apply(Abs(), try call.value(0))))]
  }

  static func squareSum(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let x = try call.value(0)
    return [.value(try Region(call).reduced(try call.apply(Multiply(), x, x)))]
  }

  static func norm(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let x = try call.value(0)
    let squares = try Region(call).reduced(try call.apply(Multiply(), x, x))
    return [.value(try call.apply(Sqrt(), squares))]
  }

  static func logarithmOfSum(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    [.value(try call.apply(Log(), try Region(call).reduced(try call.value(0))))]
  }

  /// max + log(sum(e^(x - max))), which does not overflow.
  static func logarithmOfExponentials(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let (x, region) = (try call.value(0), try Region(call))
    let largest = try region.reduced(x, by: .max)
    let shifted = try call.apply(Subtract(), x, try region.stretched(largest, like: x))
    let total = try region.reduced(try call.apply(Exponential(), shifted))
    return [.value(try call.apply(Add(), largest, try call.apply(Log(), total)))]
  }
}

/// The dimensions that a node reduces.
private struct Region {
  /// Over how many elements each result is.
  let count: Int
  private let call: NodeCall
  private let dimensions: [Int]
  private let keepsDimensions: Bool

  init(_ call: NodeCall, axesAreInputSince version: Int = 18) throws(Diagnostic) {
    let shape = call.shape(of: try call.value(0))
    let axes = try call.operatorSet < version ? call.integers("axes") : call.integers(1)
    if axes?.isEmpty ?? true {
      let isNothing = try call.integer("noop_with_empty_axes", 0) != 0
      dimensions = isNothing ? [] : Array(0..<shape.rank)
    } else {
      dimensions = try call.dimensions(axes ?? [], rank: shape.rank)
    }
    count = dimensions.reduce(1) { $0 * shape[$1] }
    keepsDimensions = try call.integer("keepdims", 1) != 0
    self.call = call
  }

  /// A result of `reduced` at all the elements that it is of.
  func stretched(_ result: ValueID, like x: ValueID) throws(Diagnostic) -> ValueID {
    let shape = call.shape(of: x)
    let places = (0..<shape.rank).filter { keepsDimensions || !dimensions.contains($0) }
    return try call.broadcast(result, to: shape, dimensions: places)
  }

  func reduced(
    _ x: ValueID, by reducer: Reduce.Reducer = .add
  ) throws(Diagnostic) -> ValueID {
    guard !dimensions.isEmpty else { return x }
    let total = try call.apply(Reduce(reducer, dimensions: dimensions), x)
    guard keepsDimensions else { return total }
    let shape = call.shape(of: x)
    let kept = (0..<shape.rank).filter { !dimensions.contains($0) }
    let extents = (0..<shape.rank).map { dimensions.contains($0) ? 1 : shape[$0] }
    return try call.broadcast(total, to: try Shape(extents), dimensions: kept)
  }
}
