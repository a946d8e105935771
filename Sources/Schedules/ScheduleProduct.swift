import LoopIR
import Tensors

/// Schedules a product of matrices: threads share blocks of columns, and of rows where these are few; a block's part of
/// one factor is copied to the stack, as rows of vectors, and register tiles go over it.
///
/// ```
/// parallel for batches, blocks of rows, blocks of columns {
///   for k { panel[k, n] = right[b, k, n] }
///   for tiles of rows { sum = 0; for k { sum[t, n] = fma(left[b, m + t, k], panel[k, n], sum[t, n]) }; tail(sum) }
/// }
/// ```
/// Blocks follow from shapes and target alone. Sums are added up in blocks of products, as `ReductionTile` says.
struct ScheduleProduct {
  let kernel: Kernel
  let form: ProductForm
  let plan: ProductPlan
  var names: NameSupply
  /// Stand for dimensions that there are not; no variable is called so.
  private static let noColumn = LoopNest.Dimension(name: "no column", extent: 1)
  private static let noRow = LoopNest.Dimension(name: "no row", extent: 1)

  /// Blocks that threads share, at least, as far as there are rows: enough for any number of cores.
  private static let fewestBlocks = 16
  /// Rows of a block at least, where each block copies its columns.
  private static let fewestRows = 64
  /// Products in one block of a sum: a factor of the sum's length where there is one in this range.
  private static let productsInBlock = 64...128

  /// Whether one thread computes all of it.
  private let isPart: Bool

  /// Nil where the kernel is no product of matrices.
  init?(_ kernel: Kernel, _ target: Target, isPart: Bool = false) {
    guard let form = ProductForm(kernel, isPart: isPart) else { return nil }
    self.isPart = isPart
    self.kernel = kernel
    self.form = form
    plan = ProductPlan(kernel, form, CostModel(target: target))
    names = NameSupply(kernel)
    for name in kernel.body.definedNames { _ = names.fresh(name) }
  }

  var across: LoopNest.Dimension { plan.across ?? Self.noColumn }
  private var down: LoopNest.Dimension { plan.down ?? Self.noRow }

  mutating func scheduled() -> Kernel {
    let runs = columnRuns()
    let tiles = rowTiles()
    let shared = form.batches + plan.vector.dimensions.filter { $0 != plan.across }
    let columnBlocks = runs.reduce(0) { $0 + $1.count }
    let blocks = shared.reduce(columnBlocks) { $0 * $1.extent }
    let most = plan.isPacked ? tiles.count * plan.rows / Self.fewestRows : tiles.count
    let wanted = isPart ? 1 : (Self.fewestBlocks + blocks - 1) / blocks
    let perBlock = (tiles.count + max(1, min(wanted, most)) - 1) / max(1, min(wanted, most))
    let rowBlocks = (tiles.count + perBlock - 1) / perBlock
    let (p, row, column) = (names.fresh("p"), names.fresh("mb"), names.fresh("nb"))
    var body = [LoopNest.Dimension].places(
      .variable(p),
      shared + [.init(name: row, extent: rowBlocks), .init(name: column, extent: columnBlocks)])
    let panel = plan.isPacked ? self.panel() : nil
    if let panel { body.append(.allocate(panel)) }
    let rows = Rows(
      first: .variable(row) * .integer(perBlock), count: perBlock, isWhole: rowBlocks == 1)
    body += Self.overColumns(runs, .variable(column)) { columns in
      let work = pack(columns, into: panel) + overRows(rows, tiles, columns, panel)
      return names.renamed(work)
    }
    var result = kernel
    result.body = [
      Statement.loop(
        Loop(p, .integer(0), .integer(blocks * rowBlocks), kind: .parallel, body: body))
    ].simplified()
    return result
  }

  /// Orders of dimensions, outermost first, in which constant factors are read front to back; by parameter.
  func constantOrders() -> [Int: [Int]] {
    let inner = form.nest.reductions.map(\.name)
    var orders: [Int: [Int]] = [:]
    for factor in [form.left, form.right] {
      guard case .load(let name, let indices) = factor.value.unconverted,
        let position = kernel.parameters.firstIndex(where: { $0.buffer.name == name })
      else { continue }
      let own = factor.dimensions.map(\.name)
      let isVector = own == plan.vector.dimensions.map(\.name) && !plan.wantsLaneSum(form)
      let last = isVector ? inner + own : own + inner
      let places = indices.map { index -> Int? in
        guard case .variable(let name) = index else { return nil }
        return last.firstIndex(of: name) ?? -1
      }
      guard !places.contains(nil) else { continue }
      orders[position] = indices.indices.sorted { (places[$0] ?? 0, $0) < (places[$1] ?? 0, $1) }
    }
    return orders
  }

  // MARK: Columns

  /// Blocks of columns of one size, one after the other.
  private struct ColumnRun {
    var first: Int
    var count: Int
    var size: Int
    var lanes: Int
  }

  /// Columns of one block.
  struct Columns {
    var extent: Extent
    var lanes: Int
  }

  private func columnRuns() -> [ColumnRun] {
    let sizes =
      plan.laneSum.map { _ in [plan.columns, across.extent % plan.columns] }
      ?? [plan.columns, plan.lanes, across.extent % plan.lanes]
    var runs: [ColumnRun] = []
    var done = 0
    for size in sizes where size > 0 && across.extent - done >= size {
      let count = (across.extent - done) / size
      runs.append(
        ColumnRun(first: done, count: count, size: size, lanes: min(size, plan.lanes)))
      done += count * size
    }
    return runs
  }

  /// What is done for a block's columns, by the run that the block is in.
  private static func overColumns(
    _ runs: [ColumnRun], _ block: Expression, _ work: (Columns) -> [Statement]
  ) -> [Statement] {
    var ends = runs.indices.map { runs[...$0].reduce(0) { $0 + $1.count } }
    var result: [Statement] = []
    for run in runs.reversed() {
      let end = ends.removeLast()
      let inRun = block - .integer(end - run.count)
      let base = inRun * .integer(run.size) + .integer(run.first)
      let own = work(Columns(extent: Extent(base: base, count: run.size), lanes: run.lanes))
      result =
        result.isEmpty
        ? own : [.conditional(.binary(.less, block, .integer(end)), then: own, otherwise: result)]
    }
    return result
  }

  // MARK: Rows

  /// The tiles of all rows: of all other dimensions of the factor, of whole tiles and of a smaller one.
  private struct RowTiles {
    var others: [LoopNest.Dimension]
    var whole: Int
    var rest: Int
    var ofDown: Int { whole + (rest > 0 ? 1 : 0) }
    var count: Int { others.reduce(ofDown) { $0 * $1.extent } }
  }

  /// Consecutive tiles.
  private struct Rows {
    var first: Expression
    var count: Int
    /// Whether these are all.
    var isWhole: Bool
  }

  private func rowTiles() -> RowTiles {
    RowTiles(
      others: plan.scalar.dimensions.filter { $0 != plan.down }, whole: down.extent / plan.rows,
      rest: down.extent % plan.rows)
  }

  private mutating func overRows(
    _ rows: Rows, _ tiles: RowTiles, _ columns: Columns, _ panel: Buffer?
  ) -> [Statement] {
    let (number, tile) = (names.fresh("m"), names.fresh("mt"))
    var body = [LoopNest.Dimension].places(
      .variable(number), tiles.others + [.init(name: tile, extent: tiles.ofDown)])
    let whole = self.tile(
      Extent(base: .variable(tile) * .integer(plan.rows), count: plan.rows), columns, panel)
    if tiles.whole == 0 || tiles.rest > 0 {
      let rest = self.tile(
        Extent(base: .integer(tiles.whole * plan.rows), count: tiles.rest), columns, panel)
      body.append(
        .conditional(
          .binary(.less, .variable(tile), .integer(tiles.whole)), then: whole, otherwise: rest))
    } else {
      body += whole
    }
    let end = rows.first + .integer(rows.count)
    let loop =
      rows.isWhole
      ? Loop(number, .integer(0), .integer(tiles.count), body: body)
      : Loop(number, rows.first, .binary(.minimum, end, .integer(tiles.count)), body: body)
    return [.loop(loop)]
  }

  // MARK: Tiles

  private mutating func tile(
    _ rows: Extent, _ columns: Columns, _ panel: Buffer?
  ) -> [Statement] {
    var nest = form.nest
    if let panel {
      let place = form.nest.reductions.map { Expression.variable($0.name) }
      let column = Expression.variable(across.name) - columns.extent.base
      nest.update = .fma(
        plan.scalar.value, .load(panel.name, place + [column]), .load(nest.accumulator.name, []))
    }
    if let lanes = plan.laneSum {
      return LaneSumTile(
        nest: nest, channelVariable: down.name, columnVariable: across.name, channels: rows,
        columns: columns.extent, lanes: lanes, unrollLimit: 1
      ).statements(&names)
    }
    splitLastLoop(of: &nest)
    return ReductionTile(
      nest: nest, channelVariable: across.name, columnVariable: down.name,
      channels: columns.extent, columns: rows, lanes: columns.lanes, unrollLimit: 1
    ).statements(&names)
  }

  /// Makes a long last loop of the sum two, the inner one a block of products.
  private mutating func splitLastLoop(of nest: inout ReductionNest) {
    guard let loop = nest.reductions.last, loop.extent > Self.productsInBlock.upperBound else {
      return
    }
    let blocks = (loop.extent - 1) / Self.productsInBlock.upperBound + 1
    let size =
      Self.productsInBlock.last { loop.extent % $0 == 0 } ?? (loop.extent - 1) / blocks + 1
    let outer = LoopNest.Dimension(
      name: names.fresh("\(loop.name).o"), extent: (loop.extent - 1) / size + 1)
    let inner = LoopNest.Dimension(name: names.fresh("\(loop.name).i"), extent: size)
    let value = .variable(outer.name) * .integer(size) + .variable(inner.name)
    nest.update = nest.update.substituting(loop.name, with: value)
    nest.steps.removeLast()
    nest.steps += [.loop(outer), .loop(inner)]
    if loop.extent % size != 0 {
      nest.steps.append(.condition(.binary(.less, value, .integer(loop.extent))))
    }
  }
}
