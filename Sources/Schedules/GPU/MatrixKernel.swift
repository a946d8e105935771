import LoopIR

/// A staged convolution whose warps multiply matrices on tensor cores.
///
/// ```
/// for ky, kx {
///   gpu_thread t { left[t, ...] = pixels[...] }
///   for part { gpu_thread t { right[t, ...] = weights[...] }; for tile { mma sum[tile, part] += left[tile] * right[] } }
/// }
/// ```
/// Which of a chunk's channels is which column of a matrix does not matter to the sum, so each thread takes
/// neighbouring ones, for pixels and weights alike: one wide read gives it several fragments. (Reading 32 bits at a
/// time, which puts each where the instruction wants it without moves, took half as long again on an H100.)
///
/// Products in float64 take factors that are float32 in shared memory: a thread converts each fragment once, for all
/// products that it is part of.
///
/// With `ldmatrix`, `rows` are the fragments: those of a row of pixels serve all rows of the kernel that see it.
/// ```
/// for kx {
///   for row { ldmatrix rows[row] = pixels[...] }
///   for ky, part { ldmatrix right = weights[...]; for tile { mma sum[tile, part] += rows[tile + ky] * right[] } }
/// }
/// ```
final class MatrixKernel: StagedKernel {
  let form: StagedConvolution
  let tile: MatrixTile
  let ring: StagingRing
  let at: BlockVariables
  var names: NameSupply
  let pixels: Buffer
  /// Shared: [slot, ky, kx, channel, input]; for `ldmatrix` [slot, ky, kx, unit, channel, lane].
  let weights: Buffer
  /// Fragments: [thread, tile, part, element].
  let sum: Buffer
  /// Of one place of the kernel and one part, where it is summed up on its own: [thread, tile, element].
  let own: Buffer?
  /// Fragments of factors: [thread, tile, step, element] and [thread, step, element]; twice where they are split.
  let left: [Buffer]
  /// Rows of pixels that several rows of the kernel see, as they are read or as fragments: [thread, row, step, element].
  let rows: [Buffer]
  let right: [Buffer]

  init(_ form: StagedConvolution, _ tile: MatrixTile, _ gpu: GPU) {
    self.form = form
    self.tile = tile
    ring = tile.ring(form, gpu)
    var names = NameSupply(form.kernel)
    pixels = tile.stagedPixels(form, ring, &names)
    weights = tile.weights(form, ring, &names)
    sum = tile.sums("sum", [tile.tiles, tile.parts], &names)
    own = tile.arithmetic.sumsApart ? tile.sums("part", [tile.tiles], &names) : nil
    let isWide = tile.reads == .wide
    left = isWide ? tile.factors("left", [tile.tiles], tile.shape.leftCount, &names) : []
    rows =
      tile.sharesRows || !isWide
      ? tile.factors(
        "rows", [tile.pixelRows(form)], isWide ? tile.shape.rightCount : tile.shape.leftCount,
        &names) : []
    right = tile.factors("right", [], tile.shape.rightCount, &names)
    at = BlockVariables(form, &names)
    self.names = names
  }

  var weightOrder: [Int] { [2, 3, 0, 1] }
  var roundsWeights: Bool { true }

  var buffers: [Buffer] { [weights, sum] + (own.map { [$0] } ?? []) + left + rows + right }

  func staged(_ pixel: Expression) -> Expression {
    tile.arithmetic.factor(pixel, form.factors)
  }

  /// The chunk's weights for the block's channels, in the order of the constant.
  func weightUnits(_ chunk: StagedChunk) -> StagedUnits {
    let (rows, columns) = (form.kernelRow.extent, form.kernelColumn.extent)
    let lanes = largestDivisor(of: tile.inputs, atMost: form.lanes(of: .load(form.weights, [])))
    let units = tile.inputs / lanes
    func place(_ unit: Expression) -> StagedWeight {
      let (group, rest) = split(unit, by: units)
      let (channel, place) = split(rest, by: tile.blockChannels)
      let (column, row) = split(place, by: columns)
      let run = StagedRun(number: group, lanes: lanes)
      return StagedWeight(row: row, column: column, channel: channel, run: run)
    }
    let count = rows * columns * tile.blockChannels * units
    return StagedUnits(count: count, lanes: lanes, shared: weights) { [self] in
      weightPlace(chunk.slot, place($0), $1)
    } inside: { _ in
      []
    } values: { unit in
      StagedValues { [self] lane in
        let at = place(unit)
        let channel = .variable(self.at.firstChannel) + channelInBlock(at.channel)
        let input = chunk.number * .integer(tile.inputs) + at.run.first + lane
        return form.weight(channel, input, at.row, at.column)
      }
    }
  }

  /// Weights of neighbouring inputs.
  private struct StagedWeight {
    var row: Expression
    var column: Expression
    var channel: Expression
    var run: StagedRun
  }

  private func weightPlace(
    _ slot: Expression, _ weight: StagedWeight, _ lane: Expression
  ) -> [Expression] {
    let outer = [slot, weight.row, weight.column]
    if tile.reads == .wide { return outer + [weight.channel, weight.run.first + lane] }
    let (unit, first) = unitPlace(weight.run)
    return outer + [unit, weight.channel, first + lane]
  }

  func pixelPlace(
    _ slot: Expression, _ row: Expression, _ column: Expression, _ run: StagedRun,
    _ lane: Expression
  ) -> [Expression] {
    if tile.reads == .wide { return [slot, row, column, run.first + lane] }
    let (unit, first) = unitPlace(run)
    return [slot, row, unit, column, first + lane]
  }

  /// The unit of 16 bytes that a run lies in, and where it begins there.
  private func unitPlace(_ run: StagedRun) -> (unit: Expression, first: Expression) {
    let (place, unit) = split(run.number, by: tile.unitLanes / run.lanes)
    return (unit, place * .integer(run.lanes))
  }
}

extension MatrixTile {
  var shape: MatrixShape { arithmetic.shape }

  fileprivate func weights(
    _ form: StagedConvolution, _ ring: StagingRing, _ names: inout NameSupply
  ) -> Buffer {
    let outer = [ring.slots, form.kernelRow.extent, form.kernelColumn.extent]
    let name = names.fresh("weights")
    if reads == .matrices { return inUnits(name, outer, blockChannels) }
    return Buffer(
      name, arithmetic.element, extents: outer + [blockChannels, inputs], space: .shared)
  }

  /// Shared: [slot, row, column, input]; for `ldmatrix` [slot, row, unit, column, lane].
  fileprivate func stagedPixels(
    _ form: StagedConvolution, _ ring: StagingRing, _ names: inout NameSupply
  ) -> Buffer {
    if reads == .wide { return pixels(form, ring, &names) }
    return inUnits(names.fresh("pixels"), [ring.slots, stagedRows(form)], stagedColumns(form))
  }

  /// [outer..., unit, place, lane].
  private func inUnits(_ name: String, _ outer: [Int], _ places: Int) -> Buffer {
    var buffer = Buffer(
      name, arithmetic.element, extents: outer + [units, places, unitLanes], space: .shared)
    var stride = unitPitch(places)
    for dimension in (0...outer.count).reversed() {
      buffer.strides[dimension] = stride
      stride *= buffer.extents[dimension]
    }
    return buffer
  }

  /// Products of matrices that use up what a thread reads at once.
  var steps: Int { inputs / shape.depth }

  fileprivate func sums(
    _ name: String, _ counts: [Int], _ names: inout NameSupply
  ) -> Buffer {
    Buffer(
      names.fresh(name), shape.sum, extents: [threads] + counts + [MatrixShape.sumCount],
      space: .register)
  }

  fileprivate func factors(
    _ name: String, _ counts: [Int], _ elements: Int, _ names: inout NameSupply
  ) -> [Buffer] {
    ["", "_low"].prefix(arithmetic.copies).map {
      Buffer(
        names.fresh(name + $0), arithmetic.fragment,
        extents: [threads] + counts + [steps, elements], space: .register)
    }
  }
}

// MARK: Results

extension MatrixKernel {
  /// A thread's place in its block: the first column, row and channel of its warp, and its number in the warp as the
  /// matrices' fragments count: `group` of 4 threads, `member` of the group.
  struct Position {
    var column: Expression
    var row: Expression
    var channel: Expression
    var group: Expression
    var member: Expression
  }

  func position(_ thread: Expression) -> Position {
    let (lane, warp) = split(thread, by: MatrixShape.warp)
    let (member, group) = split(lane, by: 4)
    let (channels, beside) = split(warp, by: tile.groups)
    let (across, down) = split(beside, by: tile.across)
    return Position(
      column: across * .integer(tile.columns), row: down * .integer(tile.rows * tile.tiles),
      channel: channels * .integer(tile.warpChannels), group: group, member: member)
  }

  /// Neighbouring channels of a thread's results: 16 bytes of them, where parts make up so many. Which column of a
  /// part is which of the warp's channels does not matter, as long as the weights have the same order.
  var run: Int {
    let written = form.kernel.parameters.first { $0.access.writes }?.buffer.element ?? .f32
    return min(2 << tile.parts.trailingZeroBitCount, 16 / written.byteCount)
  }

  /// The channel of a column of matrices, counted from the block's first one: of each warp's, that of its parts.
  private func channelInBlock(_ column: Expression) -> Expression {
    if run == 2 { return column }
    // column = (number · run / 2 + part) · 8 + member · 2 + lane, of a warp or not: warps have whole runs.
    let (place, part) = split(column, by: MatrixShape.columns)
    let (lane, member) = split(place, by: 2)
    let (within, number) = split(part, by: run / 2)
    return number * .integer(4 * run) + member * .integer(run) + within * .integer(2) + lane
  }

  /// A thread's results of one pixel: those of all parts, which runs of channels beside each other make up.
  private func results(_ name: String) -> Buffer {
    Buffer(names.fresh(name), sum.element, extents: [2 * tile.parts], space: .register)
  }

  /// Unrolled runs and vectorized channels around what `body` makes of a result's number and channel.
  private func overChannels(
    _ thread: Expression,
    _ body: (_ number: Expression, _ channel: Expression) -> [Statement]
  ) -> [Statement] {
    let (runs, lane) = (names.fresh("r"), names.fresh("l"))
    let place = position(thread)
    let first = .variable(at.firstChannel) + place.channel
    let channel =
      first + .variable(runs) * .integer(4 * run) + place.member * .integer(run) + .variable(lane)
    let number = .variable(runs) * .integer(run) + .variable(lane)
    return unrolled(runs, 2 * tile.parts / run, vector(lane, run, body(number, channel)))
  }

  /// Unrolled tiles and their two pixels of a thread around what `body` makes of the pixel's row and column and of
  /// copies between the sums of its parts and its results.
  private func overPixels(
    _ thread: Expression,
    _ body: (
      _ row: Expression, _ column: Expression, _ parts: (_ copy: PartCopy) -> [Statement]
    ) -> [Statement]
  ) -> [Statement] {
    let (tile, half) = (names.fresh("m"), names.fresh("h"))
    let place = position(thread)
    let (below, beside) = (
      Expression.variable(half) * .integer(self.tile.rows - 1),
      Expression.variable(half) * .integer(self.tile.columns - 8)
    )
    let row = place.row + .variable(tile) * .integer(self.tile.rows) + below
    let statements = body(row, place.column + beside + place.group) { copy in
      let (part, lane) = (names.fresh("n"), names.fresh("l"))
      let element = .variable(half) * .integer(2) + Expression.variable(lane)
      let number = .variable(part) * .integer(2) + Expression.variable(lane)
      return unrolled(
        part, self.tile.parts,
        vector(lane, 2, copy([thread, .variable(tile), .variable(part), element], number)))
    }
    return unrolled(tile, self.tile.tiles, unrolled(half, 2, statements))
  }

  /// What is done with an element of the sums and the number of its result.
  private typealias PartCopy = (_ place: [Expression], _ number: Expression) -> [Statement]

  func start(_ thread: Expression) -> [Statement] {
    let values = results("start")
    let read = overChannels(thread) { number, channel in
      let value = form.nest.initial.substituting(form.channel.name, with: channel)
      return [.store(values.name, [number], value)]
    }
    let copies = overPixels(thread) { _, _, parts in
      parts { place, number in [.store(sum.name, place, .load(values.name, [number]))] }
    }
    return [.allocate(values)] + read + copies
  }

  func finish(_ thread: Expression) -> [Statement] {
    return overPixels(thread) { row, column, parts in
      let y = .variable(at.firstRow) + row
      let x = .variable(at.firstColumn) + column
      let values = results("result")
      let copies = parts { place, number in
        [.store(values.name, [number], .load(sum.name, place))]
      }
      let tails = overChannels(thread) { number, channel in
        tail(of: .load(values.name, [number]), channel: channel, row: y, column: x)
      }
      return guarded(
        [less(y, form.row.extent), less(x, form.column.extent)],
        [.allocate(values)] + copies + tails)
    }
  }
}
