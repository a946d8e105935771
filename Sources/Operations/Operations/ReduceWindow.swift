import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// Pooling: a reduction over windows of an image.
public struct ReduceWindow: TensorOperation {
  public static let mnemonic = "reduce_window"
  public static let summary =
    "The largest element (reducer = max; NaN where one is NaN) or the sum (reducer = add) of each window of an NCHW tensor; windows lie strides apart and inside the image."

  public enum Reducer: String, Hashable, Sendable, CaseIterable { case add, max }

  public var reducer: Reducer
  /// Rows and columns of a window.
  public var window: [Int]
  public var strides: [Int]
  public var isExact: Bool { reducer == .max }

  public init(_ reducer: Reducer, window: [Int], strides: [Int]) {
    self.reducer = reducer
    self.window = window
    self.strides = strides
  }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    let word = try reader.word("reducer", of: Reducer.allCases.map(\.rawValue))
    reducer = Reducer(rawValue: word) ?? .max
    window = try reader.integers("window", count: 2)
    strides = try reader.integers("strides", count: 2)
    for value in window + strides where value < 1 || value > 1024 {
      throw Diagnostic("window and strides must lie between 1 and 1024, not \(value)")
    }
  }

  public var attributes: [Attribute] {
    [
      Attribute("reducer", .word(reducer.rawValue)), Attribute("window", .integers(window)),
      Attribute("strides", .integers(strides)),
    ]
  }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 1...1, mnemonic)
    try Require.float(operands, mnemonic)
    try Require.rank(4, operands[0], "operand")
    var extents = operands[0].shape.extents
    for axis in 0..<2 {
      guard extents[axis + 2] >= window[axis] else {
        throw Diagnostic(
          "the window \(window) does not fit into \(operands[0])", help: "use a larger image")
      }
      extents[axis + 2] = (extents[axis + 2] - window[axis]) / strides[axis] + 1
    }
    return [TensorType(try Shape(extents), operands[0].element)]
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    let source = operands[0]
    let (height, width) = (source.shape[2], source.shape[3])
    var result = Tensor<Double>(results[0].shape, repeating: 0)
    var position = 0
    for plane in 0..<source.shape[0] * source.shape[1] {
      for y in 0..<result.shape[2] {
        for x in 0..<result.shape[3] {
          var best = reducer == .max ? -Double.infinity : 0
          for dy in 0..<window[0] {
            for dx in 0..<window[1] {
              let row = plane * height + y * strides[0] + dy
              let value = source.values[row * width + x * strides[1] + dx]
              best = reducer == .max ? Maximum.reference(best, value) : best + value
            }
          }
          result.values[position] = best
          position += 1
        }
      }
    }
    return [result]
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    .reduction(
      Reduction(
        ranges: [.init("wy", window[0]), .init("wx", window[1])],
        initial: { _, _ in .real(reducer == .max ? -.infinity : 0, result.element) },
        update: { best, index, reduced, operand in
          .binary(
            reducer == .max ? .maximum : .add, best,
            operand(
              0,
              [
                index[0], index[1], index[2] * .integer(strides[0]) + reduced[0],
                index[3] * .integer(strides[1]) + reduced[1],
              ]))
        }))
  }

  /// A sum's reaches every pixel of the window: zeros go between the results, so that windows over them catch just
  /// those windows that the pixel is in.
  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    let (x, dy) = (call.operands[0], call.cotangent)
    if reducer == .max {
      guard window.allSatisfy({ $0 <= 8 }) else {
        throw Diagnostic(
          "max-pooling over windows of \(window) has no gradient",
          help: "use windows of at most 8 rows and columns")
      }
      return [try builder.apply(SelectAndScatter(window: window, strides: strides), x, dy)]
    }
    let (image, result) = (builder.shape(of: x), builder.shape(of: dy))
    var pad = Pad(low: [0, 0, 0, 0], high: [0, 0, 0, 0], interior: [0, 0, 0, 0])
    for axis in 2...3 {
      pad.low[axis] = window[axis - 2] - 1
      pad.interior[axis] = strides[axis - 2] - 1
      pad.high[axis] = image[axis] - 1 - (result[axis] - 1) * strides[axis - 2]
    }
    let spread = pad.isIdentity ? dy : try builder.apply(pad, dy)
    return [try builder.apply(ReduceWindow(.add, window: window, strides: [1, 1]), spread)]
  }

  public static var samples: [OperationSample] {
    [
      OperationSample(
        ReduceWindow(.max, window: [2, 2], strides: [2, 2]), [.sample([2, 3, 4, 6])],
        refused: [[.sample([4, 4])], [.sample([1, 1, 1, 4])], [.sample([1, 1, 4, 4], .i32)]]),
      OperationSample(
        ReduceWindow(.max, window: [3, 2], strides: [1, 2]), [.sample([1, 2, 5, 5], .f64)]),
      OperationSample(
        ReduceWindow(.add, window: [2, 3], strides: [2, 3]), [.sample([2, 3, 5, 7])]),
      OperationSample(
        ReduceWindow(.add, window: [3, 2], strides: [1, 1]), [.sample([1, 2, 5, 5], .f64)]),
    ]
  }
}
