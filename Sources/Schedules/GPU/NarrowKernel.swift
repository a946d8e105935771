import LoopIR

/// A convolution with few input or few output channels, whose threads read pixels and weights from global memory.
///
/// ```
/// gpu_block b {
///   allocate shares shared
///   gpu_thread t { pixels = ...; sum = products of the own input channels; shares[..., part] = sum }
///   barrier
///   gpu_thread t { sum = shares[..., 0]; sum += shares[..., 1]; ...; tail(sum) }
/// }
/// ```
/// Few output channels leave little work for each pixel, so what counts is how many loads are on their way: the
/// input channels are shared among neighbouring threads, and each loads all its pixels before it multiplies. Where
/// input channels are few, threads share the output channels instead and need not exchange anything.
///
/// Rounding errors in float32 grow with the number of products of a kernel column in `lanes` input channels, with that of
/// such terms in a thread, and with `parts`; in float64 there are no terms.
final class NarrowKernel: BlockKernel {
  let form: StagedConvolution
  let tile: NarrowTile
  let rows: InsideRange
  let columns: InsideRange
  let at: BlockVariables
  var names: NameSupply
  /// Shared: [row, column, channel, part].
  let shares: Buffer

  /// Nil where the tile needs pixels whose padding is not around them.
  init?(_ form: StagedConvolution, _ tile: NarrowTile) {
    let conditions = form.nest.conditions
    guard Self.areSeparate(conditions, form),
      let rows = InsideRange(
        form.row, form.kernelRow, stride: form.strideY, conditions: conditions),
      let columns = InsideRange(
        form.column, form.kernelColumn, stride: form.strideX, conditions: conditions)
    else { return nil }
    (self.form, self.tile, self.rows, self.columns) = (form, tile, rows, columns)
    var names = NameSupply(form.kernel)
    let results = [tile.height, tile.width, tile.blockChannels]
    // An odd number of 16-byte units from one result to the next: neighbours then lie in different banks.
    let pitch = tile.parts % 8 == 0 ? tile.parts + 4 : tile.parts
    shares = Buffer(
      names.fresh("shares"), form.nest.accumulator.element, extents: results + [tile.parts],
      strides: Buffer.rowMajor(results + [pitch]), space: .shared)
    at = BlockVariables(form, &names)
    self.names = names
  }

  /// Whether each condition looks at rows or at columns, and at nothing else.
  private static func areSeparate(_ conditions: [Expression], _ form: StagedConvolution) -> Bool {
    conditions.allSatisfy { condition in
      let names = condition.variablesUsed
      return names.isSubset(of: [form.row.name, form.kernelRow.name])
        || names.isSubset(of: [form.column.name, form.kernelColumn.name])
    }
  }

  /// Weights in the order in which neighbouring ones are loaded together.
  var weightOrder: [Int] { tile.takesInputsTogether ? [2, 3, 0, 1] : [2, 3, 1, 0] }

  func scheduled() -> Kernel {
    guard tile.parts > 1 else { return onGrid(places() + [perThread(ownResults)]) }
    return onGrid(
      places() + [.allocate(shares), perThread(ownShare), .barrier, perThread(addUp)])
  }
}

// MARK: Results

extension NarrowKernel {
  /// A thread's first result: its column and first row in the tile, its first channel in the block; and which part
  /// of the input channels it takes.
  private struct Position {
    var column: Expression
    var row: Expression
    var channel: Expression
    var part: Expression
  }

  private func position(_ thread: Expression) -> Position {
    let (part, beside) = split(thread, by: tile.parts)
    let (group, place) = split(beside, by: tile.groups)
    let (column, band) = split(place, by: tile.width)
    return Position(
      column: column, row: band * .integer(tile.rows), channel: group * .integer(tile.channels),
      part: part)
  }

  /// Where no other thread has a part of the thread's results.
  private func ownResults(_ thread: Expression) -> [Statement] {
    let place = position(thread)
    let channel = .variable(at.firstChannel) + place.channel
    let sum = sumBuffer()
    let start = overResults { row, lane in
      let initial = form.nest.initial.substituting(form.channel.name, with: channel + lane)
      return [.store(sum.name, [row, lane], initial)]
    }
    let x = .variable(at.firstColumn) + place.column
    let (row, lane) = (names.fresh("p"), names.fresh("l"))
    let y = .variable(at.firstRow) + place.row + .variable(row)
    let tail = tail(
      of: .load(sum.name, [.variable(row), .variable(lane)]), channel: channel + .variable(lane),
      row: y, column: x)
    let finish = guarded(inside(row: y, column: x), vector(lane, tile.channels, tail))
    return [.allocate(sum)] + start + products(thread, to: sum)
      + unrolled(row, tile.rows, finish)
  }

  private func inside(row: Expression, column: Expression) -> [Expression] {
    [less(row, form.row.extent), less(column, form.column.extent)]
  }

  func sumBuffer() -> Buffer {
    Buffer(
      names.fresh("sum"), shares.element, extents: [tile.rows, tile.channels], space: .register)
  }

  /// The thread's part of some results, for all to see; the first part has what these results start from.
  private func ownShare(_ thread: Expression) -> [Statement] {
    let place = position(thread)
    let channel = .variable(at.firstChannel) + place.channel
    let sum = sumBuffer()
    let start = overResults { row, lane in
      let initial = form.nest.initial.substituting(form.channel.name, with: channel + lane)
      let isFirst = Expression.binary(.equal, place.part, .integer(0))
      return [
        .store(sum.name, [row, lane], .select(isFirst, initial, .real(0, sum.element)))
      ]
    }
    let share = overResults { row, lane in
      let result = [place.row + row, place.column, place.channel + lane, place.part]
      return [.store(shares.name, result, .load(sum.name, [row, lane]))]
    }
    return [.allocate(sum)] + start + products(thread, to: sum) + share
  }

  /// Adds up the parts of some results, one after the other.
  private func addUp(_ thread: Expression) -> [Statement] {
    overTurns(thread) { row, column, channel in
      let (lane, part) = (names.fresh("l"), names.fresh("part"))
      let sum = Buffer(
        names.fresh("sum"), shares.element, extents: [tile.parts], space: .register)
      func own(_ part: Expression) -> Expression { .load(sum.name, [part]) }
      let share = Expression.load(shares.name, [row, column, channel, .variable(lane)])
      let read = vector(lane, tile.parts, [.store(sum.name, [.variable(lane)], share)])
      let add = Loop(
        part, .integer(1), .integer(tile.parts), kind: .unrolled,
        body: [.store(sum.name, [.integer(0)], own(.integer(0)) + own(.variable(part)))])
      let (y, x) = (.variable(at.firstRow) + row, .variable(at.firstColumn) + column)
      let tail = tail(
        of: own(.integer(0)), channel: .variable(at.firstChannel) + channel, row: y, column: x)
      return [.allocate(sum)] + read + [.loop(add)] + guarded(inside(row: y, column: x), tail)
    }
  }

  /// The block's results in turns, neighbouring threads beside each other in a row.
  private func overTurns(
    _ thread: Expression,
    _ body: (_ row: Expression, _ column: Expression, _ channel: Expression) -> [Statement]
  ) -> [Statement] {
    let count = tile.height * tile.width * tile.blockChannels
    let (turn, result) = (names.fresh("turn"), names.fresh("result"))
    let (column, rest) = split(.variable(result), by: tile.width)
    let (row, channel) = split(rest, by: tile.height)
    let work = body(row, column, channel)
    let isEven = count % tile.threads == 0
    let own = isEven ? work : guarded([less(.variable(result), count)], work)
    let value = .variable(turn) * .integer(tile.threads) + thread
    let turns = (count + tile.threads - 1) / tile.threads
    return unrolled(turn, turns, [.bind(result, value)] + own)
  }

  /// First row and column of the pixels that a thread sees, its first channel among the block's, and its first input
  /// channel in a turn.
  func origin(
    _ thread: Expression
  ) -> (row: Expression, column: Expression, channel: Expression, input: Expression) {
    let place = position(thread)
    return (
      (.variable(at.firstRow) + place.row) * .integer(form.strideY),
      (.variable(at.firstColumn) + place.column) * .integer(form.strideX),
      .variable(at.firstChannel) + place.channel,
      (.variable(at.chunk) * .integer(tile.parts) + place.part) * .integer(tile.lanes)
    )
  }
}
