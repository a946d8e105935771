import LoopIR

/// A convolution whose threads hold their sums as fragments of matrices: 2 pixels times 2 channels of each 8.
protocol FragmentKernel: StagedKernel where Tile: FragmentTile {
  /// [thread, tile, part, element].
  var sum: Buffer { get }
  /// Shared: [slot, ky, kx, channel, input], or in units [slot, ky, kx, unit, channel, lane].
  var weights: Buffer { get }
  func position(_ thread: Expression) -> FragmentPosition
}

/// A thread's place in its block: the first column, row and channel of its warp, and its number in the warp as the
/// matrices' fragments count: `group` of 4 threads, `member` of the group.
struct FragmentPosition {
  var column: Expression
  var row: Expression
  var channel: Expression
  var group: Expression
  var member: Expression
}

/// What is done with an element of the sums and the number of its result.
private typealias PartCopy = (_ place: [Expression], _ number: Expression) -> [Statement]

// MARK: Staging

extension FragmentKernel {
  func staged(_ pixel: Expression) -> Expression {
    tile.arithmetic.factor(pixel, form.factors)
  }

  /// The chunk's weights for the block's channels, in the order of the constant.
  func weightUnits(_ chunk: StagedChunk) -> StagedUnits {
    let (rows, columns) = (form.kernelRow.extent, form.kernelColumn.extent)
    let lanes = largestDivisor(
      of: tile.inputs, atMost: form.kernel.lanes(of: .load(form.weights, [])))
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

  private func weightPlace(
    _ slot: Expression, _ weight: StagedWeight, _ lane: Expression
  ) -> [Expression] {
    let outer = [slot, weight.row, weight.column]
    if !tile.isInUnits { return outer + [weight.channel, weight.run.first + lane] }
    let (unit, first) = unitPlace(weight.run)
    return outer + [unit, weight.channel, first + lane]
  }

  func pixelPlace(
    _ slot: Expression, _ row: Expression, _ column: Expression, _ run: StagedRun,
    _ lane: Expression
  ) -> [Expression] {
    if !tile.isInUnits { return [slot, row, column, run.first + lane] }
    let (unit, first) = unitPlace(run)
    return [slot, row, unit, column, first + lane]
  }

  /// The unit of 16 bytes that a run lies in, and where it begins there.
  private func unitPlace(_ run: StagedRun) -> (unit: Expression, first: Expression) {
    let (place, unit) = split(run.number, by: tile.unitLanes / run.lanes)
    return (unit, place * .integer(run.lanes))
  }
}

/// Weights of neighbouring inputs.
private struct StagedWeight {
  var row: Expression
  var column: Expression
  var channel: Expression
  var run: StagedRun
}

// MARK: Results

extension FragmentKernel {
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
      Expression.variable(half) * .integer(self.tile.secondPixel.row),
      Expression.variable(half) * .integer(self.tile.secondPixel.column)
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

  func finish() -> [Statement] { [perThread(writeResults)] }

  private func writeResults(_ thread: Expression) -> [Statement] {
    overPixels(thread) { row, column, parts in
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
