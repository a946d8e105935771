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
/// neighbouring ones, for pixels and weights alike: one wide read gives it several fragments.
final class MatrixKernel: StagedKernel {
  let form: StagedConvolution
  let tile: MatrixTile
  let ring: StagingRing
  let at: BlockVariables
  var names: NameSupply
  let pixels: Buffer
  /// Shared: [slot, ky, kx, channel, input].
  let weights: Buffer
  /// Fragments: [thread, tile, part, element].
  let sum: Buffer
  /// Of one place of the kernel and one part, where it is summed up on its own: [thread, tile, element].
  let own: Buffer?
  /// Fragments of factors: [thread, tile, step, element] and [thread, step, element]; twice where they are split.
  let left: [Buffer]
  let right: [Buffer]

  init(_ form: StagedConvolution, _ tile: MatrixTile, _ gpu: GPU) {
    self.form = form
    self.tile = tile
    ring = tile.ring(form, gpu)
    var names = NameSupply(form.kernel)
    pixels = tile.pixels(form, ring, &names)
    weights = Buffer(
      names.fresh("weights"), tile.element(form),
      extents: [
        ring.slots, form.kernelRow.extent, form.kernelColumn.extent, tile.blockChannels,
        tile.inputs,
      ], space: .shared)
    sum = tile.sums("sum", [tile.tiles, tile.parts], &names)
    own = tile.arithmetic.sumsApart ? tile.sums("part", [tile.tiles], &names) : nil
    left = tile.factors("left", [tile.tiles], tile.shape.leftCount, &names)
    right = tile.factors("right", [], tile.shape.rightCount, &names)
    at = BlockVariables(form, &names)
    self.names = names
  }

  var buffers: [Buffer] { [weights, sum] + (own.map { [$0] } ?? []) + left + right }

  func staged(_ pixel: Expression) -> Expression {
    tile.arithmetic.factor(pixel, form.factors)
  }

  /// The chunk's weights for the block's channels, in the order of the constant.
  func weightUnits(_ chunk: StagedChunk) -> StagedUnits {
    let counts = weights.extents
    let lanes = largestDivisor(of: tile.inputs, atMost: form.lanes(of: .load(form.weights, [])))
    let units = tile.inputs / lanes
    func place(_ unit: Expression, _ lane: Expression) -> [Expression] {
      let (group, rest) = split(unit, by: units)
      let (channel, place) = split(rest, by: counts[3])
      let (column, row) = split(place, by: counts[2])
      return [chunk.slot, row, column, channel, group * .integer(lanes) + lane]
    }
    let count = counts[1] * counts[2] * counts[3] * units
    return StagedUnits(count: count, lanes: lanes, shared: weights, place: place) { _ in
      []
    } values: { unit in
      StagedValues { [self] lane in
        let at = place(unit, lane)
        let channel = .variable(self.at.firstChannel) + at[3]
        let input = chunk.number * .integer(tile.inputs) + at[4]
        return form.weight(channel, input, at[1], at[2])
      }
    }
  }
}

extension MatrixTile {
  var shape: MatrixShape { arithmetic.shape }

  /// Products of matrices that use up what a thread reads at once.
  var steps: Int { inputs / shape.depth }

  fileprivate func sums(
    _ name: String, _ counts: [Int], _ names: inout NameSupply
  ) -> Buffer {
    Buffer(
      names.fresh(name), .f32, extents: [threads] + counts + [MatrixShape.sumCount],
      space: .register)
  }

  fileprivate func factors(
    _ name: String, _ counts: [Int], _ elements: Int, _ names: inout NameSupply
  ) -> [Buffer] {
    ["", "_low"].prefix(arithmetic.copies).map {
      Buffer(
        names.fresh(name + $0), arithmetic.element,
        extents: [threads] + counts + [steps, elements], space: .register)
    }
  }
}

// MARK: Results

extension MatrixKernel {
  /// A thread's place in its block: the column and first row of its pixels, the first channel of its warp, and its
  /// number in the warp as the matrices' fragments count: `group` of 4 threads, `member` of the group.
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
      column: across * .integer(MatrixTile.columns) + group,
      row: down * .integer(MatrixTile.rows * tile.tiles),
      channel: channels * .integer(tile.warpChannels), group: group, member: member)
  }

  /// Unrolled tiles, their rows of pixels and parts, and vectorized pairs of channels, around what `body` makes of
  /// the row, the channel and the element's place in a buffer of sums; all but the channels only where `inside` holds.
  private func overResults(
    _ thread: Expression, inside: (_ row: Expression) -> [Expression] = { _ in [] },
    _ body: (_ row: Expression, _ channel: Expression, _ place: [Expression]) -> [Statement]
  ) -> [Statement] {
    let place = position(thread)
    let (tile, half, part) = (names.fresh("m"), names.fresh("h"), names.fresh("n"))
    let lane = names.fresh("l")
    let row = place.row + .variable(tile) * .integer(MatrixTile.rows) + .variable(half)
    let channel =
      place.channel + .variable(part) * .integer(MatrixShape.columns)
      + place.member * .integer(2) + .variable(lane)
    let element = Expression.variable(half) * .integer(2) + .variable(lane)
    let inner = body(row, channel, [thread, .variable(tile), .variable(part), element])
    let parts = unrolled(part, self.tile.parts, vector(lane, 2, inner))
    let halves = unrolled(half, MatrixTile.rows, guarded(inside(row), parts))
    return unrolled(tile, self.tile.tiles, halves)
  }

  func start(_ thread: Expression) -> [Statement] {
    overResults(thread) { _, channel, place in
      let first = Expression.variable(at.firstChannel)
      let value = form.nest.initial.substituting(form.channel.name, with: first + channel)
      return [.store(sum.name, place, value)]
    }
  }

  func finish(_ thread: Expression) -> [Statement] {
    let x = .variable(at.firstColumn) + position(thread).column
    let first = Expression.variable(at.firstRow)
    return overResults(thread) { row in
      [less(first + row, form.row.extent), less(x, form.column.extent)]
    } _: { row, channel, place in
      tail(
        of: .load(sum.name, place), channel: .variable(at.firstChannel) + channel,
        row: first + row, column: x)
    }
  }
}
