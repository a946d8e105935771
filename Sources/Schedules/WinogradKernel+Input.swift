import LoopIR
import Tensors

/// The input transform: V = Bᵀ d B for each tile and vector of channels.
extension WinogradKernel {
  mutating func inputTiles() -> [Statement] {
    let (t, v) = (names.fresh("t"), names.fresh("v"))
    let (bindings, tile) = place(.variable(t))
    let vectors = nest.input.extent / shape.inputLanes
    func overVectors(_ v: String, _ body: [Statement]) -> [Statement] {
      [.loop(Loop(v, .integer(0), .integer(vectors), body: body))]
    }
    let inside = overVectors(v, inputTile(tile, .variable(t), .variable(v)))
    let last = Expression.integer(shape.transform.inputs - 1)
    let isInside = conjunction(
      conditions(tile.row, tile.column) + conditions(tile.row + last, tile.column + last))
    let w = names.fresh("v")
    let border = overVectors(w, borderTile(tile, .variable(t), .variable(w)))
    let body: [Statement] = [.conditional(isInside, then: inside, otherwise: border)]
    return [.loop(Loop(t, .integer(0), .integer(shape.tiles), body: bindings + body))]
  }

  /// The nest's conditions, and that the element belongs to an output of the image at all.
  private func conditions(_ row: Expression, _ column: Expression) -> [Expression] {
    let reach = WinogradTransform.kernelTaps - 1
    return nest.conditions(row: row, column: column) + [
      .binary(.less, row, .integer(nest.row.extent + reach)),
      .binary(.less, column, .integer(nest.column.extent + reach)),
    ]
  }

  private func channel(_ vector: Expression, _ lane: Expression) -> Expression {
    vector * .integer(shape.inputLanes) + lane
  }

  private mutating func inputTile(
    _ tile: Tile, _ t: Expression, _ vector: Expression
  ) -> [Statement] {
    let l = names.fresh("l")
    let channel = channel(vector, .variable(l))
    let nest = nest
    return inputTransform(l, t, channel) { row, column in
      nest.element(
        image: tile.image, row: tile.row + row, column: tile.column + column, channel: channel)
    }
  }

  private mutating func inputTransform(
    _ l: String, _ t: Expression, _ channel: Expression,
    load: (Expression, Expression) -> Expression
  ) -> [Statement] {
    let half = half(shape.transform.inputs, shape.inputLanes)
    let (size, target) = (shape.transform.inputs, transformed.name)
    let body = transform(
      shape.transform.inputMatrix, half, lane: .variable(l), load: load
    ) { column, row, value, _ in
      [.store(target, [row * .integer(size) + .integer(column), t, channel], value)]
    }
    return [.allocate(half), lanes(l, shape.inputLanes, body)]
  }

  /// A tile of which some elements are outside: they are gathered one by one first.
  private mutating func borderTile(
    _ tile: Tile, _ t: Expression, _ vector: Expression
  ) -> [Statement] {
    let size = shape.transform.inputs
    let patch = Buffer(
      names.fresh("patch"), .f32, extents: [size, size, shape.inputLanes], space: .stack)
    let (i, j) = (names.fresh("i"), names.fresh("j"))
    let (row, column) = (tile.row + .variable(i), tile.column + .variable(j))
    func set(_ l: String, _ value: Expression) -> [Statement] {
      let place: [Expression] = [.variable(i), .variable(j), .variable(l)]
      return [lanes(l, shape.inputLanes, [.store(patch.name, place, value)])]
    }
    let (a, b, l) = (names.fresh("l"), names.fresh("l"), names.fresh("l"))
    let element = nest.element(
      image: tile.image, row: row, column: column, channel: channel(vector, .variable(a)))
    let gather = Statement.conditional(
      conjunction(conditions(row, column)), then: set(a, element),
      otherwise: set(b, .real(0, .f32)))
    let overColumns = Statement.loop(
      Loop(j, .integer(0), .integer(size), body: [gather]))
    let body = inputTransform(l, t, channel(vector, .variable(l))) { row, column in
      .load(patch.name, [row, column, .variable(l)])
    }
    return [
      .allocate(patch), .loop(Loop(i, .integer(0), .integer(size), body: [overColumns])),
    ] + body
  }
}
