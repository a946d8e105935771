import LoopIR

/// Pooling of the results: each tile pools its own when they are written.
extension WinogradKernel {
  /// Pools a tile for a vector of channels; of a tile that reaches beyond the image the windows inside.
  mutating func pooledTile(_ tile: Tile, _ channel: Expression, isWhole: Bool) -> [Statement] {
    guard let pooled else { return [] }
    let (pooling, dimensions) = (pooled.pooling, pooled.pooling.nest.outer.dimensions)
    let (rows, columns) = (m / pooling.window[0], m / pooling.window[1])
    let (i, j) = (names.fresh("i"), names.fresh("j"))
    let row = Expression.binary(.divide, tile.row, .integer(pooling.window[0]))
    let column = Expression.binary(.divide, tile.column, .integer(pooling.window[1]))
    let windows = ReductionTile(
      nest: pooling.nest, channelVariable: dimensions[1].name, columnVariable: dimensions[3].name,
      channels: Extent(base: channel, count: shape.outputLanes),
      columns: Extent(
        base: isWhole ? column : column + .variable(j), count: isWhole ? columns : 1),
      lanes: shape.outputLanes, unrollLimit: m
    ).statements(&names)
    let body = pooled.renamed(
      windows.unrolled(), image: tile.image, row: row + .variable(i))
    if isWhole {
      return [.loop(Loop(i, .integer(0), .integer(rows), kind: .unrolled, body: body))]
    }
    func inside(_ count: Int, _ extent: Int, _ first: Expression) -> Expression {
      .binary(.minimum, .integer(count), .integer(extent) - first)
    }
    let across = Statement.loop(
      Loop(j, .integer(0), inside(columns, dimensions[3].extent, column), body: body))
    return [.loop(Loop(i, .integer(0), inside(rows, dimensions[2].extent, row), body: [across]))]
  }

  /// Statements that write and pool a tile for a vector of channels; nobody else may want its results in memory.
  mutating func withLocalTile(_ body: [Statement], _ tile: Tile, _ channel: Expression)
    -> [Statement]
  {
    pooled?.withLocalImage(
      [m, m, shape.outputLanes], from: [tile.row, tile.column, channel], body, &names) ?? body
  }
}

extension WinogradNest {
  /// Whether tiles have whole windows; pixels of dilated ones are no neighbours.
  func canPool(_ pooling: Pooling, by transform: WinogradTransform) -> Bool {
    !isDilated && pooling.fitsTiles(of: transform)
  }
}

extension Pooling {
  /// Whether no window lies in two tiles of a transform.
  func fitsTiles(of transform: WinogradTransform) -> Bool {
    window.allSatisfy { transform.outputs % $0 == 0 }
  }
}

extension [Statement] {
  /// With all serial loops, which are those over a window, unrolled.
  fileprivate func unrolled() -> [Statement] {
    mapStatements { statement in
      guard case .loop(var loop) = statement, loop.kind == .serial else { return [statement] }
      loop.kind = .unrolled
      return [.loop(loop)]
    }
  }
}
