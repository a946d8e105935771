import LoopIR
import Tensors

/// The output transform: Aᵀ M A for each tile and vector of channels, and the nest's tail for each result.
extension WinogradKernel {
  mutating func output(_ block: String) -> [Statement] {
    let (t, v) = (names.fresh("t"), names.fresh("v"))
    let (bindings, tile) = place(.variable(t))
    let channel = Channel(
      inBlock: .variable(v) * .integer(shape.outputLanes),
      first: .variable(block) * .integer(shape.block) + .variable(v) * .integer(shape.outputLanes))
    let whole =
      wholeTile(tile, .variable(t), channel) + pooledTile(tile, channel.first, isWhole: true)
    let part =
      partialTile(tile, .variable(t), channel) + pooledTile(tile, channel.first, isWhole: false)
    let isWhole = Expression.conjunction([
      .binary(.lessOrEqual, tile.row, .integer(last(nest.row, tile.steps.rows))),
      .binary(.lessOrEqual, tile.column, .integer(last(nest.column, tile.steps.columns))),
    ])
    let body = Statement.conditional(isWhole, then: whole, otherwise: part)
    let vectors = Statement.loop(
      Loop(
        v, .integer(0), .integer(shape.productVectors),
        body: withLocalTile([body], tile, channel.first)))
    return [.loop(Loop(t, .integer(0), tilesInStrip, body: bindings + [vectors]))]
  }

  /// The last row or column at which a whole tile begins.
  private func last(_ dimension: LoopNest.Dimension, _ step: Int) -> Int {
    dimension.extent - 1 - (m - 1) * step
  }

  /// Rows, or columns, of a tile that are inside the image; none, or fewer, of an empty one.
  func rowsInside(_ tile: Tile) -> Expression { size(nest.row, tile.row, tile.steps.rows) }
  func columnsInside(_ tile: Tile) -> Expression {
    size(nest.column, tile.column, tile.steps.columns)
  }

  private func size(
    _ dimension: LoopNest.Dimension, _ first: Expression, _ step: Int
  ) -> Expression {
    if step == 1 { return .binary(.minimum, .integer(m), .integer(dimension.extent) - first) }
    let left = .integer(dimension.extent + step - 1) - first
    return .binary(.minimum, .integer(m), .binary(.divide, left, .integer(step)))
  }

  /// The first channel of a vector of outputs, in its block and in all.
  private struct Channel {
    var inBlock: Expression
    var first: Expression
  }

  private mutating func wholeTile(
    _ tile: Tile, _ t: Expression, _ channel: Channel
  ) -> [Statement] {
    let nest = nest
    return outputTransform(t, channel) { row, column, value, lane, names in
      let sum = names.fresh("sum")
      let place = Self.place(
        nest, tile, row: row, column: .integer(column), channel.first + lane)
      let tail = nest.nest.tail.mapExpressions { expression in
        expression.mapExpressions {
          if case .load(nest.nest.accumulator.name, _) = $0 { return .variable(sum) }
          return $0
        }.substituting(place)
      }
      let start = nest.nest.initial.substituting(place)
      return [.bind(sum, start == .real(0, .f32) ? value : value + start)] + names.renamed(tail)
    }
  }

  /// A tile that reaches beyond the image: its results are stored aside and taken one by one.
  private mutating func partialTile(
    _ tile: Tile, _ t: Expression, _ channel: Channel
  ) -> [Statement] {
    let result = Buffer(
      names.fresh("result"), .f32, extents: [m, m, shape.outputLanes], space: .stack)
    let (l, i, j) = (names.fresh("l"), names.fresh("i"), names.fresh("j"))
    let body = outputTransform(t, channel) { row, column, value, lane, _ in
      [.store(result.name, [row, .integer(column), lane], value)]
    }
    let values = Self.place(
      nest, tile, row: .variable(i), column: .variable(j), channel.first + .variable(l))
    let start = nest.nest.initial.substituting(values)
    let at: [Expression] = [.variable(i), .variable(j), .variable(l)]
    let sum: Statement = .store(result.name, at, .load(result.name, at) + start)
    let tail = Place(accumulator: at, values: values).apply(nest.nest.tail, result.name, nest.nest)
    let element = lanes(l, shape.outputLanes, [sum] + names.renamed(tail))
    let across = Statement.loop(
      Loop(j, .integer(0), columnsInside(tile), body: [element]))
    let down = Statement.loop(
      Loop(i, .integer(0), rowsInside(tile), body: [across]))
    return [.allocate(result)] + body + [down]
  }

  /// What the nest's variables stand for at one result of a tile.
  private static func place(
    _ nest: WinogradNest, _ tile: Tile, row: Expression, column: Expression,
    _ channel: Expression
  ) -> [String: Expression] {
    [
      nest.image.name: tile.image, nest.row.name: tile.row(row),
      nest.column.name: tile.column(column), nest.channel.name: channel,
    ]
  }

  private mutating func outputTransform(
    _ t: Expression, _ channel: Channel, store: TileTransform.Store
  ) -> [Statement] {
    let (size, source) = (Expression.integer(shape.transform.inputs), product.name)
    return TileTransform(matrix: shape.transform.outputMatrix, lanes: shape.outputLanes).statements(
      &names,
      load: { row, column, lane in
        .load(source, [row * size + column, t, channel.inBlock + lane])
      }, store: store)
  }
}
