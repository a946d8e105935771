import LoopIR

/// Sums over the results: each strip adds up its own.
extension WinogradKernel {
  /// Adds up a block of output channels.
  mutating func addedUp(_ block: String) -> [Statement] {
    if sums.isEmpty { return [] }
    let (t, i, j) = (names.fresh("t"), names.fresh("i"), names.fresh("j"))
    let (bindings, tile) = place(.variable(t))
    let channels = PartialSums.Channels(
      first: .variable(block) * .integer(shape.block), vectors: shape.productVectors,
      lanes: shape.outputLanes)
    func loop(_ variable: String, _ end: Expression, _ body: [Statement]) -> [Statement] {
      [.loop(Loop(variable, .integer(0), end, body: body))]
    }
    let (rows, columns) = (rowsInside(tile), columnsInside(tile))
    let tiles = tilesInStrip
    let loops = PartialSums.Loops(
      blocks: { loop(t, tiles, bindings + $0) },
      pixels: { loop(i, rows, loop(j, columns, $0)) },
      pixel: [tile.image, tile.row(.variable(i)), tile.column(.variable(j))])
    return sums.statements(part: .variable(strip), channels, over: loops, &names)
  }
}
