import LoopIR

/// Schedules a convolution or pooling: rows over threads, register tiles of columns and channels, padding by bounds.
struct ScheduleReduction {
  let kernel: Kernel
  private(set) var nest: ReductionNest
  private let cost: CostModel
  var names: NameSupply
  /// Columns and vectors of channels of the register tiles: the cost model's, unless set.
  var tileShape = CostModel.TileShape(columns: 1, vectors: 1)
  let image: LoopNest.Dimension
  let channel: LoopNest.Dimension
  let row: LoopNest.Dimension
  let column: LoopNest.Dimension
  private var groups: ChannelGroups?
  /// Loops of a reduction up to this extent are unrolled: 3x3 and 5x5 kernels.
  private static let unrollLimit = 5

  /// Nil where the kernel is not a reduction over an NCHW result, or a product of matrices.
  init?(_ kernel: Kernel, _ target: Target, _ choice: KernelChoice? = nil) {
    guard let nest = ReductionNest(kernel), nest.outer.dimensions.count == 4,
      ProductForm(kernel) == nil
    else { return nil }
    self.kernel = kernel
    self.nest = nest
    cost = CostModel(target: target)
    names = NameSupply(kernel)
    image = nest.outer.dimensions[0]
    channel = nest.outer.dimensions[1]
    row = nest.outer.dimensions[2]
    column = nest.outer.dimensions[3]
    for name in nest.outer.dimensions.map(\.name) { _ = names.fresh(name) }
    if laneSum == nil { groups = ChannelGroups(&self.nest, channel, &names) }
    tileShape = tiles()[0]
    if case .direct(let columns, let vectors) = choice {
      tileShape = .init(columns: columns, vectors: vectors)
    }
  }

  /// Lanes over the innermost reduction where the channels are too few for vectors.
  private var laneSum: Int? {
    guard nest.isSumOfProducts, channel.extent < 4, let innermost = nest.reductions.last,
      !nest.conditions.contains(where: { $0.variablesUsed.contains(innermost.name) })
    else { return nil }
    let lanes = LaneSumTile.lanes(
      for: innermost.extent, atMost: cost.lanes(nest.accumulator.element))
    return lanes >= 4 ? lanes : nil
  }

  /// Dimension orders, outermost first, in which each parameter of rank 4 is best laid out; by parameter.
  ///
  /// Weights go in the order of the scheduled loops, so that the innermost loop reads them front to back.
  func preferredOrders() -> [Int: [Int]] {
    let loops = nest.reductions.map(\.name)
    let order =
      laneSum == nil ? loops + [channel.name] : loops.dropLast() + [channel.name] + loops.suffix(1)
    var orders: [Int: [Int]] = [:]
    nest.update.forEachLoad { buffer, indices in
      guard
        let position = kernel.parameters.firstIndex(where: { $0.buffer.name == buffer }),
        indices.count == 4
      else { return }
      let places = indices.map { index -> Int? in
        guard case .variable(let name) = index else { return nil }
        return order.firstIndex(of: name)
      }
      let known = places.compactMap { $0 }
      guard known.count == 4 else { return }
      orders[position] = [0, 1, 2, 3].sorted { known[$0] < known[$1] }
    }
    return orders
  }

  mutating func scheduled() -> Kernel {
    var result = kernel
    result.body = overRows(row, rowOfResults())
    return result
  }

  /// Computes the results of one image and row.
  mutating func rowOfResults() -> [Statement] {
    var body: [Statement] = []
    for channels in channelBlocks() { body += overColumns(channels) }
    return groups.map { [$0.loop(body)] } ?? body
  }

  /// The kernel's body: threads share rows, or groups of rows, of all images.
  mutating func overRows(_ rows: LoopNest.Dimension, _ body: [Statement]) -> [Statement] {
    var body = body
    let p = image.extent == 1 ? rows.name : names.fresh("p")
    if image.extent == 1 {
      body = body.substituting(image.name, with: .integer(0))
    } else {
      let split: [Statement] = [
        .bind(image.name, .binary(.divide, .variable(p), .integer(rows.extent))),
        .bind(rows.name, .binary(.remainder, .variable(p), .integer(rows.extent))),
      ]
      body = split + body
    }
    let all = rows.extent * image.extent
    return [
      Statement.loop(Loop(p, .integer(0), .integer(all), kind: .parallel, body: body))
    ].splitAtSelections(&names).simplified()
  }

  /// A run of equal channel blocks, done by a loop where there are several.
  private struct ChannelBlocks {
    var first: Int
    var blocks: Int
    var size: Int
    var lanes: Int
  }

  private func channelBlocks() -> [ChannelBlocks] {
    let total = groups?.size ?? channel.extent
    if let lanes = laneSum {
      return [ChannelBlocks(first: 0, blocks: 1, size: total, lanes: lanes)]
    }
    let lanes = cost.lanes(nest.accumulator.element)
    let block = tileShape.vectors * lanes
    var result: [ChannelBlocks] = []
    var done = 0
    func add(_ count: Int, _ size: Int, _ lanes: Int) {
      guard count > 0, size > 0 else { return }
      result.append(ChannelBlocks(first: done, blocks: count, size: size, lanes: lanes))
      done += count * size
    }
    add(total / block, block, lanes)
    add(1, (total - done) / lanes * lanes, lanes)
    add(1, total - done, total - done)
    return result
  }

  /// All tiles that fit, the one that the cost model likes best first.
  func tiles() -> [CostModel.TileShape] {
    if laneSum != nil {
      let standard = min(max(1, 8 / channel.extent), column.extent)
      let most = min(column.extent, cost.target.vectorRegisters / 2 / channel.extent)
      return [.init(columns: standard, vectors: 1)]
        + (1...max(1, most)).filter { $0 != standard }.map { .init(columns: $0, vectors: 1) }
    }
    let tiles = cost.tiles(
      columns: column.extent, step: columnStep, channels: groups?.size ?? channel.extent,
      element: nest.accumulator.element)
    guard nest.isSumOfProducts,
      nest.reductions.reduce(1, { $0 * $1.extent }) <= cost.target.vectorRegisters
    else { return tiles }
    // In a short sum compilers keep the weights of all products in registers.
    let small = tiles.filter { $0.columns * $0.vectors <= cost.target.vectorRegisters / 2 }
    return small + tiles.filter { !small.contains($0) }
  }

  /// Tiles of a multiple of so many columns start at a pixel of what an upsampled image is read from.
  private var columnStep: Int {
    var step = 1
    for case .binary(.divide, let position, .integer(let scale)) in nest.update.subexpressions
    where position.variablesUsed.contains(column.name) {
      step = max(step, scale)
    }
    return step
  }

  private mutating func overColumns(_ channels: ChannelBlocks) -> [Statement] {
    guard channels.blocks > 1 else {
      return columnTiles(
        Extent(base: .integer(channels.first), count: channels.size), channels.lanes)
    }
    let block = names.fresh("cb")
    let base = .variable(block) * .integer(channels.size) + .integer(channels.first)
    let inner = columnTiles(Extent(base: base, count: channels.size), channels.lanes)
    return [.loop(Loop(block, .integer(0), .integer(channels.blocks), body: inner))]
  }

  /// Tiles at the borders one by one, so that their conditions are decided at compile time; the others in loops.
  private mutating func columnTiles(_ channels: Extent, _ lanes: Int) -> [Statement] {
    let width = tileShape.columns
    var statements: [Statement] = []
    var start = 0
    while start < column.extent {
      var count = 0
      while start + (count + 1) * width <= column.extent,
        isInterior(start + count * width, width)
      {
        count += 1
      }
      if count > 1 {
        let loop = names.fresh("xo")
        let base = .variable(loop) * .integer(width) + .integer(start)
        let inner = tile(channels, Extent(base: base, count: width), lanes)
        statements.append(.loop(Loop(loop, .integer(0), .integer(count), body: inner)))
        start += count * width
      } else {
        let size = min(width, column.extent - start)
        statements.append(
          .block(
            "columns \(start) to \(start + size - 1)",
            tile(channels, Extent(base: .integer(start), count: size), lanes)))
        start += size
      }
    }
    return statements
  }

  /// Whether all conditions on columns hold for the whole tile.
  ///
  /// Those on remainders (where pixels lie apart) do not count: their outcomes are the same in all tiles of a multiple
  /// of `columnStep` columns.
  private func isInterior(_ start: Int, _ width: Int) -> Bool {
    var ranges = [column.name: Interval(start, start + width - 1)]
    for reduction in nest.reductions {
      ranges[reduction.name] = Interval(0, max(0, reduction.extent - 1))
    }
    return nest.steps.allSatisfy { step in
      guard case .condition(let condition) = step,
        condition.variablesUsed.contains(column.name)
      else { return true }
      if case .binary(.equal, .binary(.remainder, _, .integer), .integer) = condition {
        return true
      }
      return condition.truth(ranges) == true
    }
  }

  private mutating func tile(_ channels: Extent, _ columns: Extent, _ lanes: Int) -> [Statement] {
    if laneSum != nil {
      return LaneSumTile(
        nest: nest, channelVariable: channel.name, columnVariable: column.name,
        channels: channels, columns: columns, lanes: lanes, unrollLimit: Self.unrollLimit
      ).statements(&names)
    }
    return ReductionTile(
      nest: nest, channelVariable: channel.name, columnVariable: column.name,
      channels: groups?.placed(channels) ?? channels, columns: columns, lanes: lanes,
      unrollLimit: Self.unrollLimit
    ).statements(&names)
  }
}
