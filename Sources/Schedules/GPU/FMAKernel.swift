import LoopIR

/// A staged convolution whose threads multiply and add for themselves.
///
/// ```
/// gpu_thread t { part = 0; for kx, i { part += products of ky and 4 i }; sum[t, ...] += part }
/// ```
/// Rounding errors grow with the length of `part` and the number of chunks, not with that of the whole sum. In float64
/// there is no `part`: factors are converted when they are staged, once for all threads that read them.
final class FMAKernel: StagedKernel {
  let form: StagedConvolution
  let tile: GPUTile
  let ring: StagingRing
  let at: BlockVariables
  var names: NameSupply
  let pixels: Buffer
  /// Shared: [slot, ky, kx, input, channel].
  let weights: Buffer
  /// Of each thread: [thread, row, channel].
  let sum: Buffer

  init(_ form: StagedConvolution, _ tile: GPUTile, _ gpu: GPU) {
    self.form = form
    self.tile = tile
    ring = tile.ring(form, gpu)
    var names = NameSupply(form.kernel)
    let element = form.nest.accumulator.element
    pixels = tile.pixels(form, ring, &names)
    weights = Buffer(
      names.fresh("weights"), element,
      extents: [
        ring.weightSlots, form.kernelRow.extent, form.kernelColumn.extent, tile.inputs,
        tile.blockChannels,
      ], space: .shared)
    sum = Buffer(
      names.fresh("sum"), element, extents: [tile.threads, tile.rows, tile.channels],
      space: .register)
    at = BlockVariables(form, &names)
    self.names = names
  }

  var weightOrder: [Int] { [2, 3, 1, 0] }

  var buffers: [Buffer] { [weights, sum] }

  func staged(_ pixel: Expression) -> Expression { pixel }

  /// The chunk's weights for the block's channels, in the order of the constant; zero past the last channel.
  func weightUnits(_ chunk: StagedChunk) -> StagedUnits {
    let lanes = largestDivisor(of: tile.channels, atMost: 4)
    let counts = weights.extents
    let units = counts[4] / lanes
    func place(_ unit: Expression, _ lane: Expression) -> [Expression] {
      let (group, rest) = split(unit, by: units)
      let (input, place) = split(rest, by: counts[3])
      let (column, row) = split(place, by: counts[2])
      return [chunk.slot, row, column, input, group * .integer(lanes) + lane]
    }
    func channel(_ unit: Expression, _ lane: Expression) -> Expression {
      .variable(at.firstChannel) + place(unit, lane)[4]
    }
    let count = counts[1] * counts[2] * counts[3] * units
    return StagedUnits(count: count, lanes: lanes, shared: weights, place: place) { [self] unit in
      form.channel.extent % tile.blockChannels == 0
        ? [] : [less(channel(unit, .integer(0)), form.channel.extent)]
    } values: { [self] unit in
      StagedValues { [self] lane in
        let at = place(unit, lane)
        let input = chunk.number * .integer(tile.inputs) + at[3]
        return form.weight(channel(unit, lane), input, at[1], at[2])
      }
    }
  }
}

// MARK: Results

extension FMAKernel {
  /// A thread's first result: its column in the tile, its first row in the tile, its first channel in the block.
  struct Position {
    var column: Expression
    var row: Expression
    var channel: Expression
  }

  func position(_ thread: Expression) -> Position {
    let beside = Expression.binary(.divide, thread, .integer(tile.groups))
    return Position(
      column: .binary(.remainder, beside, .integer(tile.width)),
      row: .binary(.divide, beside, .integer(tile.width)) * .integer(tile.rows),
      channel: .binary(.remainder, thread, .integer(tile.groups)) * .integer(tile.channels))
  }

  func start(_ thread: Expression) -> [Statement] {
    let first = .variable(at.firstChannel) + position(thread).channel
    let initial = overResults { row, lane in
      let value = form.nest.initial.substituting(form.channel.name, with: first + lane)
      return [.store(sum.name, [thread, row, lane], value)]
    }
    guard form.channel.extent % tile.blockChannels != 0 else { return initial }
    let zero = overResults { row, lane in
      [.store(sum.name, [thread, row, lane], .real(0, sum.element))]
    }
    return guarded([less(first, form.channel.extent)], initial, otherwise: zero)
  }

  func finish() -> [Statement] { [perThread(results)] }

  private func results(_ thread: Expression) -> [Statement] {
    let place = position(thread)
    let (row, lane) = (names.fresh("p"), names.fresh("l"))
    let channel = .variable(at.firstChannel) + place.channel
    let y = .variable(at.firstRow) + place.row + .variable(row)
    let x = .variable(at.firstColumn) + place.column
    let tail = tail(
      of: .load(sum.name, [thread, .variable(row), .variable(lane)]),
      channel: channel + .variable(lane), row: y, column: x)
    let inside = [
      less(channel, form.channel.extent), less(y, form.row.extent), less(x, form.column.extent),
    ]
    return unrolled(row, tile.rows, guarded(inside, vector(lane, tile.channels, tail)))
  }
}
