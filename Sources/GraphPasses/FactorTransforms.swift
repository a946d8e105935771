import Diagnostics
import GraphIR
import Operations
import Tensors

/// Computes Fourier transforms of many points by two short ones (Cooley and Tukey 1965).
///
/// ```
/// %y = fft %x {fft_type = FFT, centered = false, dimensions = [2]} : tensor<1x2x192x8xf32>
/// ```
/// becomes, with j = 16 j1 + j2 and k = k1 + 12 k2,
/// ```
/// %1 = dot_general %w1, %x as [1, 2, j1, j2, 8]    // [(k1, part), 1, j2, 8]: sums over j1 and parts
/// %2 = dot_general %w2, %1 as [k1, 2, 1, j2, 8]    // [k1, (k2, part), 1, 8]: over j2 and parts, for each k1
/// %y = %2 as [1, 2, 192, 8]
/// ```
/// where `%w2` has the factors between both, and both are parts of `fourier_matrix`. Products go from 4 x 192 to
/// 4 x (12 + 16) for each number, and nothing is copied before them.
public struct FactorTransforms: GraphPass {
  public static let name = "factor-transforms"
  public static let summary = "Computes Fourier transforms of many points by two short ones."

  public init() {}

  public func run(_ context: inout GraphPassContext) throws(Diagnostic) {
    try context.rewrite { (node, _, rewriter) throws(Diagnostic) in
      guard let fft = node.operation as? FFT else { return nil }
      let shape = rewriter.old.type(of: node.operands[0]).shape
      guard fft.dimensions.contains(where: { TransformFactors(shape[$0]) != nil }) else {
        return nil
      }
      var value = rewriter[node.operands[0]]
      for dimension in fft.dimensions {
        var part = fft
        part.dimensions = [dimension]
        let isLast = dimension == fft.dimensions.last
        let name = isLast ? rewriter.old.name(of: node.results[0]) : nil
        guard let factors = TransformFactors(shape[dimension]) else {
          value = try rewriter.append(part, [value], name: name, like: node)
          continue
        }
        var transform = FactoredTransform(
          fft: part, factors: factors, node: node, rewriter: rewriter)
        value =
          try dimension == 2
          ? transform.alongRows(of: value, name: name)
          : transform.alongColumns(of: value, name: name)
        rewriter = transform.rewriter
      }
      return [value]
    }
  }
}

/// n = `first` x `second`, the former not the larger.
struct TransformFactors {
  let first: Int
  let second: Int

  /// The two factors of the least sum; nil where they would not save half of the products, or these are few.
  init?(_ points: Int) {
    let root = Int(Double(points).squareRoot())
    guard points > 16, let first = (1...root).last(where: { points.isMultiple(of: $0) }) else {
      return nil
    }
    (self.first, second) = (first, points / first)
    guard 2 * (first + second) <= points else { return nil }
  }

  var points: Int { first * second }
}

/// The products along one dimension of one image [N, 2, H, W].
private struct FactoredTransform {
  let fft: FFT
  let factors: TransformFactors
  let node: Node
  var rewriter: GraphRewriter

  private var a: Int { factors.first }
  private var b: Int { factors.second }

  /// Rows are points, and columns lie beside each other in the products.
  mutating func alongRows(of x: ValueID, name: String?) throws(Diagnostic) -> ValueID {
    let shape = rewriter.new.type(of: x).shape
    let (images, columns) = (shape[0], shape[3])
    // [(k1, p), q, j1] and [k1, (k2, p), q, j2].
    let first = try matrix(first: [0, 2, 1], [2 * a, 2, a], like: x)
    let second = try matrix(second: [1, 0, 2, 4, 3], [a, 2 * b, 2, b], like: x)
    let points = try reshaped(x, [images, 2, a, b, columns])
    let short = try append(
      DotGeneral(.init(contracting: [1, 2]), .init(contracting: [1, 2])), [first, points])
    let product = try append(
      DotGeneral(
        .init(batching: [0], contracting: [2, 3]), .init(batching: [0], contracting: [1, 3])),
      [second, try reshaped(short, [a, 2, images, b, columns])])
    let parts = try reshaped(product, [a, b, 2, images, columns])
    return try ordered(parts, [3, 2, 1, 0, 4], shape, name)
  }

  /// Columns are points, which the products have beside each other.
  mutating func alongColumns(of x: ValueID, name: String?) throws(Diagnostic) -> ValueID {
    let shape = rewriter.new.type(of: x).shape
    let (images, rows) = (shape[0], shape[2])
    // [q, j1, (k1, p)] and [k1, j2, q, (k2, p)].
    let first = try matrix(first: [2, 1, 0], [2, a, 2 * a], like: x)
    let second = try matrix(second: [1, 3, 4, 0, 2], [a, b, 2, 2 * b], like: x)
    let points = try reshaped(x, [images, 2, rows, a, b])
    let short = try append(
      DotGeneral(.init(contracting: [1, 3]), .init(contracting: [0, 1])), [points, first])
    let product = try append(
      DotGeneral(
        .init(batching: [3], contracting: [2, 4]), .init(batching: [0], contracting: [1, 2])),
      [try reshaped(short, [images, rows, b, a, 2]), second])
    let parts = try reshaped(product, [a, images, rows, b, 2])
    return try ordered(parts, [1, 4, 2, 3, 0], shape, name)
  }

  /// Of j1 and k1: (k - s) b j1 turns of n. [(k1, p), (j1, q)] in another order and shape.
  private mutating func matrix(
    first order: [Int], _ extents: [Int], like x: ValueID
  ) throws(Diagnostic) -> ValueID {
    let whole = try append(
      FourierMatrix(
        fft.direction, isCentered: fft.isCentered, try Shape([2 * a, 2 * a, 1, 1]),
        points: factors.points, step: b, columnOrigin: 0), [])
    return try matrix(whole, [2 * a, a, 2], order, extents, like: x)
  }

  /// Of j2 and k: (k - s) (j2 - s) turns of n. [k2, k1, p, j2, q] in another order and shape.
  private mutating func matrix(
    second order: [Int], _ extents: [Int], like x: ValueID
  ) throws(Diagnostic) -> ValueID {
    let whole = try append(
      FourierMatrix(
        fft.direction, isCentered: fft.isCentered, try Shape([2 * factors.points, 2 * b, 1, 1]),
        points: factors.points), [])
    return try matrix(whole, [b, a, 2, b, 2], order, extents, like: x)
  }

  private mutating func matrix(
    _ whole: ValueID, _ parts: [Int], _ order: [Int], _ extents: [Int], like x: ValueID
  ) throws(Diagnostic) -> ValueID {
    let element = rewriter.new.type(of: x).element
    let typed = element == .f64 ? whole : try append(Convert(to: element), [whole])
    return try reshaped(
      try append(Transpose(order), [try reshaped(typed, parts)]), extents)
  }

  private mutating func ordered(
    _ parts: ValueID, _ order: [Int], _ shape: Shape, _ name: String?
  ) throws(Diagnostic) -> ValueID {
    let turned = try append(Transpose(order), [parts])
    return try rewriter.append(Reshape(shape), [turned], name: name, like: node)
  }

  private mutating func reshaped(
    _ value: ValueID, _ extents: [Int]
  ) throws(Diagnostic) -> ValueID {
    let shape = try Shape(extents)
    return try rewriter.new.type(of: value).shape == shape
      ? value : append(Reshape(shape), [value])
  }

  private mutating func append(
    _ operation: any Operation, _ operands: [ValueID]
  ) throws(Diagnostic) -> ValueID {
    try rewriter.append(operation, operands, like: node)
  }
}
