import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// Products of two tensors, summed over some dimensions of both: of matrices, of their batches, of vectors.
public struct DotGeneral: TensorOperation {
  public static let mnemonic = "dot_general"
  public static let summary =
    "y[b..., m..., n...] = sum over k... of lhs[b, m, k] rhs[b, n, k]: the batching dimensions of both operands are the same one by one, the contracting dimensions are summed over in pairs. The result has the batching dimensions in their order, then those of lhs that are left over, then those of rhs; without contracting dimensions each element is one product. The batching dimensions may be left out where there are none."

  public static let optionalAttributes = ["lhs_batching_dimensions", "rhs_batching_dimensions"]

  /// The dimensions of one operand that have a partner in the other.
  public struct Side: Hashable, Sendable {
    public var batching: [Int]
    public var contracting: [Int]

    public init(batching: [Int] = [], contracting: [Int]) {
      self.batching = batching
      self.contracting = contracting
    }

    /// The dimensions without a partner, ascending.
    public func free(rank: Int) -> [Int] {
      (0..<rank).filter { !batching.contains($0) && !contracting.contains($0) }
    }
  }

  public var lhs: Side
  public var rhs: Side

  /// Both sides name as many batching and as many contracting dimensions.
  public init(_ lhs: Side, _ rhs: Side) {
    self.lhs = lhs
    self.rhs = rhs
  }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    lhs = try Self.side("lhs", &reader)
    rhs = try Self.side("rhs", &reader)
  }

  private static func side(
    _ name: String, _ reader: inout AttributeReader
  ) throws(Diagnostic) -> Side {
    Side(
      batching: try reader.integers("\(name)_batching_dimensions", default: []),
      contracting: try reader.integers("\(name)_contracting_dimensions"))
  }

  public var attributes: [Attribute] {
    [("lhs", lhs), ("rhs", rhs)].flatMap { name, side in
      [
        Attribute("\(name)_batching_dimensions", .integers(side.batching)),
        Attribute("\(name)_contracting_dimensions", .integers(side.contracting)),
      ].filter { $0.value != .integers([]) || $0.name.hasSuffix("contracting_dimensions") }
    }
  }

  // MARK: Types

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 2...2, mnemonic)
    try Require.float(operands, mnemonic)
    let (a, b) = (operands[0], operands[1])
    try Require.element(a.element, b, "rhs")
    try check(lhs, a, "lhs")
    try check(rhs, b, "rhs")
    for (kind, left, right) in [
      ("batching", lhs.batching, rhs.batching), ("contracting", lhs.contracting, rhs.contracting),
    ] {
      guard left.count == right.count else {
        throw Diagnostic(
          "lhs has \(left.count) \(kind) dimensions and rhs \(right.count)",
          help: "name them in pairs")
      }
      for (i, j) in zip(left, right) where a.shape[i] != b.shape[j] {
        throw Diagnostic(
          "\(kind) dimension \(i) of lhs has \(a.shape[i]) elements, and dimension \(j) of rhs \(b.shape[j]): \(a) and \(b) do not fit together"
        )
      }
    }
    return [TensorType(try Shape(extents(a.shape, b.shape)), a.element)]
  }

  private func check(_ side: Side, _ type: TensorType, _ role: String) throws(Diagnostic) {
    let named = side.batching + side.contracting
    guard named.allSatisfy((0..<type.shape.rank).contains), Set(named).count == named.count else {
      throw Diagnostic(
        "batching dimensions \(side.batching) and contracting dimensions \(side.contracting) of \(role) must be different ones of the \(type.shape.rank) of \(type)"
      )
    }
  }

  private func extents(_ a: Shape, _ b: Shape) -> [Int] {
    lhs.batching.map { a[$0] } + lhs.free(rank: a.rank).map { a[$0] }
      + rhs.free(rank: b.rank).map { b[$0] }
  }

  // MARK: Meaning

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    let (a, b) = (operands[0], operands[1])
    let summed = lhs.contracting.map { a.shape[$0] }
    let (corner, start) = (results[0].shape.extents.map { _ in 0 }, summed.map { _ in 0 })
    var taps = start
    var terms: [(Int, Int)] = []
    for _ in 0..<summed.reduce(1, *) {
      terms.append(offsets(corner, taps, a.shape, b.shape))
      Odometer.advance(&taps, summed)
    }
    var result = Tensor<Double>(results[0].shape, repeating: 0)
    var index = corner
    for position in result.values.indices {
      let (left, right) = offsets(index, start, a.shape, b.shape)
      for term in terms {
        result.values[position] += a.values[left + term.0] * b.values[right + term.1]
      }
      Odometer.advance(&index, results[0].shape.extents)
    }
    return [result]
  }

  /// The same places in row-major order.
  private func offsets(_ index: [Int], _ taps: [Int], _ a: Shape, _ b: Shape) -> (Int, Int) {
    let (left, right) = places(index, taps, a, b, zero: 0)
    func offset(_ place: [Int], _ shape: Shape) -> Int {
      zip(place, shape.rowMajorStrides).reduce(0) { $0 + $1.0 * $1.1 }
    }
    return (offset(left, a), offset(right, b))
  }

  /// Where both factors of a term are, from the result's index and those that are summed over.
  private func places<Index>(
    _ index: [Index], _ taps: [Index], _ a: Shape, _ b: Shape, zero: Index
  ) -> ([Index], [Index]) {
    let batches = lhs.batching.count
    let rows = lhs.free(rank: a.rank)
    func place(_ side: Side, _ rank: Int, _ first: Int) -> [Index] {
      var place = [Index](repeating: zero, count: rank)
      for (position, dimension) in side.batching.enumerated() { place[dimension] = index[position] }
      for (position, dimension) in side.contracting.enumerated() {
        place[dimension] = taps[position]
      }
      for (position, dimension) in side.free(rank: rank).enumerated() {
        place[dimension] = index[first + position]
      }
      return place
    }
    return (place(lhs, a.rank, batches), place(rhs, b.rank, batches + rows.count))
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    let (a, b) = (operands[0].shape, operands[1].shape)
    func factors(
      _ index: [Expression], _ taps: [Expression], _ operand: ElementReader
    ) -> (Expression, Expression) {
      let (left, right) = places(index, taps, a, b, zero: .integer(0))
      return (operand(0, left), operand(1, right))
    }
    if lhs.contracting.isEmpty {
      return .pointwise { index, operand in
        let (left, right) = factors(index, [], operand)
        return left * right
      }
    }
    return .reduction(
      Reduction(
        ranges: lhs.contracting.enumerated().map { .init("k\($0.offset)", a[$0.element]) },
        initial: { _, _ in .real(0, result.element) },
        update: { sum, index, taps, operand in
          let (left, right) = factors(index, taps, operand)
          return .fma(left, right, sum)
        }))
  }

  // MARK: Gradient

  /// Each operand's is the product of the cotangent and the other operand, summed over what only that one has.
  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    let (a, b, dy) = (call.operands[0], call.operands[1], call.cotangent)
    let rows = lhs.free(rank: builder.shape(of: a).rank)
    let columns = rhs.free(rank: builder.shape(of: b).rank)
    let batches = Array(0..<lhs.batching.count)
    let rowPlaces = rows.indices.map { batches.count + $0 }
    let columnPlaces = columns.indices.map { batches.count + rows.count + $0 }
    var gradients: [ValueID?] = [nil, nil]
    if call.wanted[0] {
      let product = DotGeneral(
        Side(batching: batches, contracting: columnPlaces),
        Side(batching: rhs.batching, contracting: columns))
      let order = lhs.batching + rows + Self.partners(lhs.contracting, of: rhs.contracting)
      gradients[0] = try Self.placed(try builder.apply(product, dy, b), order, &builder)
    }
    if call.wanted[1] {
      let product = DotGeneral(
        Side(batching: lhs.batching, contracting: rows),
        Side(batching: batches, contracting: rowPlaces))
      let order = rhs.batching + Self.partners(rhs.contracting, of: lhs.contracting) + columns
      gradients[1] = try Self.placed(try builder.apply(product, a, dy), order, &builder)
    }
    return gradients
  }

  /// The dimensions that belong to the others, when those ascend.
  private static func partners(_ dimensions: [Int], of others: [Int]) -> [Int] {
    others.indices.sorted { others[$0] < others[$1] }.map { dimensions[$0] }
  }

  /// Dimension i of the value becomes dimension `order[i]`.
  private static func placed(
    _ value: ValueID, _ order: [Int], _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID {
    let permutation = order.indices.sorted { order[$0] < order[$1] }
    return permutation == Array(order.indices)
      ? value : try builder.apply(Transpose(permutation), value)
  }
}
