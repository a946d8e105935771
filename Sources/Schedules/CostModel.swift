import Tensors

/// Estimates what register tiles cost, from the target description alone.
struct CostModel {
  let target: Target

  /// Columns and vectors of channels in one register tile.
  struct TileShape: Hashable {
    var columns: Int
    var vectors: Int
  }

  func lanes(_ element: ElementType) -> Int { max(1, target.vectorBytes / element.byteCount) }

  /// Lanes of the widest vector of float32 that divides so many channels.
  func lanes(dividing channels: Int) -> Int {
    var lanes = lanes(.f32)
    while lanes > 1, channels % lanes != 0 { lanes /= 2 }
    return lanes
  }

  /// Cycles for one-dimensional transforms of a vector: two operations for each input, and a load and a store of what
  /// they take and give.
  func transformCycles(passes: Int, size: Int, results: Int) -> Double {
    let operations = Double(passes * 2 * size) / Double(target.fmaPerCycle)
    let memory = Double(passes * (size + 2 * results)) / 3
    return max(operations, memory)
  }

  /// Cycles for one tap of the reduction on one tile: bound by FMA issue, by loads (two a cycle), or by latency.
  func cyclesPerTap(_ tile: TileShape) -> Double {
    let fmas = Double(tile.columns * tile.vectors) / Double(target.fmaPerCycle)
    let loads = Double(tile.columns + tile.vectors) / 2
    return max(fmas, loads, Double(target.fmaLatency))
  }

  /// Accumulators, one vector of weights each, and one broadcast pixel must fit into the registers.
  ///
  /// A quarter is left for what the compiler keeps there: fuller tiles are slower (IR/decisions/0013).
  func fits(_ tile: TileShape) -> Bool {
    let accumulators = tile.columns * tile.vectors
    return accumulators + tile.vectors + 1 <= target.vectorRegisters
      && accumulators <= 3 * target.vectorRegisters / 4
  }

  /// The cheapest tile for rows of so many columns and channels; a multiple of `step` columns where one fits.
  func bestTile(
    columns: Int, step: Int = 1, channels: Int, element: ElementType
  ) -> TileShape {
    tiles(columns: columns, step: step, channels: channels, element: element)[0]
  }

  /// All tiles that fit, the cheapest first; at least one.
  func tiles(
    columns: Int, step: Int = 1, channels: Int, element: ElementType
  ) -> [TileShape] {
    let vectors = max(1, channels / lanes(element))
    let isPossible = step <= columns && fits(TileShape(columns: step, vectors: 1))
    let step = isPossible ? step : 1
    var tiles: [(tile: TileShape, cost: Double)] = []
    for v in 1...min(4, vectors) {
      for t in stride(from: step, through: min(columns, target.vectorRegisters), by: step) {
        let tile = TileShape(columns: t, vectors: v)
        guard fits(tile) else { continue }
        tiles.append((tile, rowCost(tile, columns: columns, vectors: vectors)))
      }
    }
    if tiles.isEmpty { return [TileShape(columns: 1, vectors: 1)] }
    return tiles.enumerated().sorted { a, b in
      a.element.cost == b.element.cost ? a.offset < b.offset : a.element.cost < b.element.cost
    }.map(\.element.tile)
  }

  /// Cycles a tap for a whole row, rest tiles included; a small price on loads prefers larger tiles among equals.
  func rowCost(_ tile: TileShape, columns: Int, vectors: Int) -> Double {
    var cost = 0.0
    for (v, blocks) in [(tile.vectors, vectors / tile.vectors), (vectors % tile.vectors, 1)]
    where v > 0 && blocks > 0 {
      for (t, tiles) in [(tile.columns, columns / tile.columns), (columns % tile.columns, 1)]
      where t > 0 && tiles > 0 {
        let shape = TileShape(columns: t, vectors: v)
        cost += Double(blocks * tiles) * (cyclesPerTap(shape) + 0.02 * Double(t + v))
      }
    }
    return cost
  }
}
