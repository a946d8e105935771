import LoopIR
import Tensors

/// The input transform: V = Bᵀ d B for each tile and vector of channels.
extension WinogradKernel {
  mutating func inputTiles() -> [Statement] {
    let t = names.fresh("t")
    let (bindings, tile) = place(.variable(t), slices: shape.slices + shape.depth - 1)
    let last = Expression.integer(shape.transform.inputs - 1)
    let isInside = Expression.conjunction(
      conditions(tile.row, tile.column) + conditions(tile.row(last), tile.column(last)))
    let body = Statement.conditional(
      isInside, then: inputTile(tile, .variable(t), isInside: true),
      otherwise: inputTile(tile, .variable(t), isInside: false))
    return [.loop(Loop(t, .integer(0), .integer(shape.inputTiles), body: bindings + [body]))]
  }

  /// The nest's conditions, and that the element belongs to an output of the image at all.
  private func conditions(_ row: Expression, _ column: Expression) -> [Expression] {
    let reach = nest.taps - 1
    return nest.conditions(row: row, column: column) + [
      .binary(.less, row, .integer(nest.row.extent + reach * nest.dilation.rows)),
      .binary(.less, column, .integer(nest.column.extent + reach * nest.dilation.columns)),
    ]
  }

  /// All vectors of one tile; of a tile at a border some elements are outside.
  private mutating func inputTile(_ tile: Tile, _ t: Expression, isInside: Bool) -> [Statement] {
    let v = names.fresh("v")
    let (nest, target, kernel, depth) = (nest, transformed.name, self, shape.depth)
    let size = Expression.integer(shape.transform.inputs)
    let map = TileTransform(matrix: shape.transform.inputMatrix, lanes: shape.inputLanes)
    func channel(_ lane: Expression) -> Expression { .variable(v) * .integer(map.lanes) + lane }
    let load: TileTransform.Load = { row, column, lane in
      nest.element(
        image: tile.image, row: tile.row(row), column: tile.column(column),
        channel: channel(lane), ofSlices: depth > 1)
    }
    let store: TileTransform.Store = { row, column, value, lane, _ in
      [.store(target, [row * size + .integer(column), t, channel(lane)], value)]
    }
    let body =
      isInside
      ? map.statements(&names, load: load, store: store)
      : map.gathered(
        &names,
        inside: { .conjunction(kernel.conditions(tile.row($0), tile.column($1))) },
        load: load, store: store)
    return [
      .loop(Loop(v, .integer(0), .integer(nest.input.extent / depth / map.lanes), body: body))
    ]
  }
}
