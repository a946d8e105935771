import LoopIR
import Tensors

/// Applies a matrix to the columns and then to the rows of a square of elements, T d Tᵀ, for a vector of channels.
struct TileTransform {
  let matrix: [[Fraction]]
  /// Channels in one vector.
  let lanes: Int
  /// Of what is computed with. Sums in f64 are not fused, so that they do not depend on the processor.
  var element: ElementType = .f32

  /// Reads an element by row, column and lane.
  typealias Load = (Expression, Expression, Expression) -> Expression
  /// Takes a result by row and column, its value, and the lane.
  typealias Store = (Expression, Int, Expression, Expression, inout NameSupply) -> [Statement]

  /// Rows and columns of what is transformed.
  var size: Int { matrix.first?.count ?? 0 }

  /// Results follow each other row by row.
  func statements(_ names: inout NameSupply, load: Load, store: Store) -> [Statement] {
    let map = LinearMap(matrix: matrix, element: element, isFused: element == .f32)
    let half = Buffer(
      names.fresh("half"), element, extents: [matrix.count, size, lanes], space: .register)
    let (lane, j, i) = (names.fresh("l"), names.fresh("j"), names.fresh("i"))
    let l = Expression.variable(lane)
    let (column, row) = (Expression.variable(j), Expression.variable(i))
    let elements = Self.bound((0..<size).map { load(.integer($0), column, l) }, &names)
    let down = map.apply(to: elements.values, &names)
    let stores = down.results.enumerated().map { row, value in
      Statement.store(half.name, [.integer(row), column, l], value)
    }
    let across = map.apply(
      to: (0..<size).map { .load(half.name, [row, .integer($0), l]) }, &names)
    let results = across.results.enumerated().flatMap { column, value in
      store(row, column, value, l, &names)
    }
    return [
      .allocate(half),
      overLanes(
        lane,
        [
          Self.unrolled(j, size, elements.statements + down.statements + stores),
          Self.unrolled(i, matrix.count, across.statements + results),
        ]),
    ]
  }

  /// Names for elements that are computed, since a map may use each of them several times.
  private static func bound(
    _ elements: [Expression], _ names: inout NameSupply
  ) -> (statements: [Statement], values: [Expression]) {
    var statements: [Statement] = []
    let values = elements.map { element -> Expression in
      switch element {
      case .load, .cast: return element
      default:
        let name = names.fresh("d")
        statements.append(.bind(name, element))
        return .variable(name)
      }
    }
    return (statements, values)
  }

  /// The same where some elements may be outside, and count as zero: they are gathered one by one first.
  func gathered(
    _ names: inout NameSupply, inside: (Expression, Expression) -> Expression, load: Load,
    store: Store
  ) -> [Statement] {
    let patch = Buffer(
      names.fresh("patch"), .f32, extents: [size, size, lanes], space: .stack)
    let (i, j, a, b) = (
      names.fresh("i"), names.fresh("j"), names.fresh("l"), names.fresh("l")
    )
    let (row, column) = (Expression.variable(i), Expression.variable(j))
    func set(_ lane: String, _ value: Expression) -> [Statement] {
      [overLanes(lane, [.store(patch.name, [row, column, .variable(lane)], value)])]
    }
    let element = Statement.conditional(
      inside(row, column), then: set(a, load(row, column, .variable(a))),
      otherwise: set(b, .real(0, .f32)))
    let across = Statement.loop(Loop(j, .integer(0), .integer(size), body: [element]))
    let body = statements(&names, load: { .load(patch.name, [$0, $1, $2]) }, store: store)
    return [
      .allocate(patch), .loop(Loop(i, .integer(0), .integer(size), body: [across])),
    ] + body
  }

  private func overLanes(_ lane: String, _ body: [Statement]) -> Statement {
    .loop(Loop(lane, .integer(0), .integer(lanes), kind: .vectorized, body: body))
  }

  private static func unrolled(_ variable: String, _ count: Int, _ body: [Statement]) -> Statement {
    .loop(Loop(variable, .integer(0), .integer(count), kind: .unrolled, body: body))
  }
}

extension [[Fraction]] {
  func transposed() -> [[Fraction]] {
    (first ?? []).indices.map { column in map { $0[column] } }
  }
}

extension Expression {
  /// Whether all hold.
  static func conjunction(_ conditions: [Expression]) -> Expression {
    guard let first = conditions.first else { return .truth(true) }
    return conditions.dropFirst().reduce(first) { .binary(.and, $0, $1) }
  }
}
