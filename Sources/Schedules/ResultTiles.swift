import LoopIR

/// Loops over all elements of a small result, in register tiles: vectors along one dimension, and several values of
/// another one beside each other.
struct ResultTiles {
  let nest: ReductionNest
  let cost: CostModel
  /// The result's dimensions.
  var results: [LoopNest.Dimension]
  private let channel: LoopNest.Dimension
  private let column: LoopNest.Dimension
  /// Whether threads share the largest dimension that is not in the tiles.
  var isParallel = false

  /// Stand for dimensions that there are not; no variable is called so.
  private static let noChannel = LoopNest.Dimension(name: "no channel", extent: 1)
  private static let noColumn = LoopNest.Dimension(name: "no column", extent: 1)

  init(nest: ReductionNest, form: SumForm, cost: CostModel) {
    self.nest = nest
    self.cost = cost
    results = form.results
    channel = form.channel.map { form.results[$0] } ?? Self.noChannel
    column = form.column.map { form.results[$0] } ?? Self.noColumn
  }

  func statements(_ names: inout NameSupply) -> [Statement] {
    let shape = cost.bestTile(
      columns: column.extent, step: 1, channels: channel.extent, element: nest.accumulator.element)
    let lanes = cost.lanes(nest.accumulator.element)
    var body: [Statement] = []
    let isShared = results.contains(channel)
    let runs =
      isShared
      ? Self.runs(channel.extent, [shape.vectors * lanes, lanes, channel.extent % lanes])
      : [Run(first: 0, count: 1, size: 1)]
    for channels in runs {
      for columns in Self.runs(column.extent, [shape.columns, column.extent % shape.columns]) {
        body += tiles(channels, columns, min(lanes, channels.size), &names)
      }
    }
    return aroundOthers(body)
  }

  /// Equal pieces one after the other.
  private struct Run {
    var first: Int
    var count: Int
    var size: Int
  }

  /// As many pieces of the first size as there is room for, then of the next.
  private static func runs(_ extent: Int, _ sizes: [Int]) -> [Run] {
    var runs: [Run] = []
    var done = 0
    for size in sizes where size > 0 && extent - done >= size {
      let count = (extent - done) / size
      runs.append(Run(first: done, count: count, size: size))
      done += count * size
    }
    return runs
  }

  private func tiles(
    _ channels: Run, _ columns: Run, _ lanes: Int, _ names: inout NameSupply
  ) -> [Statement] {
    let (cb, xb) = (names.fresh("cb"), names.fresh("xb"))
    var body = ReductionTile(
      nest: nest, channelVariable: channel.name, columnVariable: column.name,
      channels: Self.extent(channels, cb), columns: Self.extent(columns, xb), lanes: lanes,
      unrollLimit: 1
    ).statements(&names)
    for (run, variable) in [(columns, xb), (channels, cb)] where run.count > 1 {
      body = [.loop(Loop(variable, .integer(0), .integer(run.count), body: body))]
    }
    return body
  }

  private static func extent(_ run: Run, _ variable: String) -> Extent {
    let first = Expression.integer(run.first)
    let base = run.count > 1 ? .variable(variable) * .integer(run.size) + first : first
    return Extent(base: base, count: run.size)
  }

  /// Loops over the dimensions that no tile spans, the largest one outermost.
  private func aroundOthers(_ body: [Statement]) -> [Statement] {
    var others = results.filter { $0 != channel && $0 != column }
    if isParallel { others.sort { $0.extent > $1.extent } }
    return others.enumerated().reversed().reduce(body) { inner, dimension in
      let kind: LoopKind = isParallel && dimension.offset == 0 ? .parallel : .serial
      return [
        .loop(
          Loop(
            dimension.element.name, .integer(0), .integer(dimension.element.extent), kind: kind,
            body: inner))
      ]
    }
  }
}
