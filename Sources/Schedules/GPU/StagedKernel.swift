import LoopIR

/// Writes a convolution as blocks of threads that share a tile of pixels and the weights for it.
///
/// ```
/// gpu_block b {
///   allocate tile shared; allocate weights shared; allocate sum register
///   gpu_thread t { sum[t, ...] = initial }
///   for chunk of input channels {
///     gpu_thread t { tile[...] = pixels with a border; weights[...] = ... }
///     barrier
///     gpu_thread t { part = 0; for kx, i { term = products of ky and 4 i; part += term }; sum[t, ...] += part }
///     barrier
///   }
///   gpu_thread t { tail(sum[t, ...]) }
/// }
/// ```
/// Rounding errors grow with the length of `term`, `part` and the number of chunks, not with that of the whole sum;
/// standard precision leaves `term` out.
final class StagedKernel {
  let form: StagedConvolution
  let tile: GPUTile
  let precision: Precision
  var names: NameSupply
  /// Fresh names of the block's buffers and of what is the same for all its threads.
  let pixels: Buffer
  let weights: Buffer
  let sum: Buffer
  let block: String
  let chunk: String
  let image: String
  let firstRow: String
  let firstColumn: String
  let firstChannel: String

  init(_ form: StagedConvolution, _ tile: GPUTile, _ precision: Precision) {
    self.form = form
    self.tile = tile
    self.precision = precision
    var names = NameSupply(form.kernel)
    let element = form.nest.accumulator.element
    let extents = [tile.stagedRows(form), tile.stagedColumns(form), tile.inputs]
    pixels = Buffer(
      names.fresh("pixels"), element, extents: extents,
      strides: [extents[1] * tile.pixelPitch, tile.pixelPitch, 1], space: .shared)
    weights = Buffer(
      names.fresh("weights"), element,
      extents: [
        form.kernelRow.extent, form.kernelColumn.extent, tile.inputs, tile.blockChannels,
      ], space: .shared)
    sum = Buffer(
      names.fresh("sum"), element, extents: [tile.threads, tile.rows, tile.channels],
      space: .register)
    block = names.fresh("block")
    chunk = names.fresh("chunk")
    image = names.fresh(form.image.name)
    firstRow = names.fresh("y0")
    firstColumn = names.fresh("x0")
    firstChannel = names.fresh("c0")
    self.names = names
  }

  func scheduled() -> Kernel {
    var body = places() + [.allocate(pixels), .allocate(weights), .allocate(sum)]
    body.append(perThread(start))
    let chunks = form.input.extent / tile.inputs
    let round = [
      perThread { stagePixels($0) + stageWeights($0) }, .barrier,
      perThread(accumulate),
    ]
    // The next chunk overwrites what slower threads may still read.
    let loop = Loop(
      chunk, .integer(0), .integer(chunks), body: chunks > 1 ? round + [.barrier] : round)
    body.append(.loop(loop))
    body.append(perThread(finish))
    var result = form.kernel
    result.body = [
      Statement.loop(
        Loop(block, .integer(0), .integer(tile.blockCount(form)), kind: .gpuBlock, body: body))
    ].simplified()
    return result
  }

  /// Where the block is: neighbours share their pixels and differ in channels.
  private func places() -> [Statement] {
    let counts = [tile.channelBlocks(form), tile.blockColumns(form), tile.blockRows(form)]
    let sizes = [tile.blockChannels, tile.width, tile.height]
    var statements: [Statement] = []
    var rest = Expression.variable(block)
    for (name, (count, size)) in zip(
      [firstChannel, firstColumn, firstRow], zip(counts, sizes))
    {
      statements.append(
        .bind(name, .binary(.remainder, rest, .integer(count)) * .integer(size)))
      rest = .binary(.divide, rest, .integer(count))
    }
    return statements + [.bind(image, rest)]
  }

  /// A region in which all threads do what `body` makes of the thread's variable.
  private func perThread(
    _ body: (Expression) -> [Statement]
  ) -> Statement {
    let thread = names.fresh("t")
    let statements = body(.variable(thread))
    return .loop(
      Loop(thread, .integer(0), .integer(tile.threads), kind: .gpuThread, body: statements))
  }
}

// MARK: Results

extension StagedKernel {
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

  /// Unrolled rows and vectorized channels around what `body` makes of them.
  func overResults(
    _ body: (_ row: Expression, _ channel: Expression) -> [Statement]
  ) -> [Statement] {
    let (row, lane) = (names.fresh("p"), names.fresh("l"))
    return unrolled(
      row, tile.rows, vector(lane, tile.channels, body(.variable(row), .variable(lane))))
  }

  func unrolled(_ name: String, _ count: Int, _ body: [Statement]) -> [Statement] {
    [.loop(Loop(name, .integer(0), .integer(count), kind: .unrolled, body: body))]
  }

  func vector(_ name: String, _ count: Int, _ body: [Statement]) -> [Statement] {
    [.loop(Loop(name, .integer(0), .integer(count), kind: .vectorized, body: body))]
  }

  /// `then`, only where the conditions hold.
  func guarded(
    _ conditions: [Expression], _ then: [Statement], otherwise: [Statement] = []
  ) -> [Statement] {
    guard let first = conditions.first else { return then }
    let all = conditions.dropFirst().reduce(first) { .binary(.and, $0, $1) }
    return [.conditional(all, then: then, otherwise: otherwise)]
  }

  func less(_ a: Expression, _ b: Int) -> Expression { .binary(.less, a, .integer(b)) }

  private func start(_ thread: Expression) -> [Statement] {
    let first = .variable(firstChannel) + position(thread).channel
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

  private func finish(_ thread: Expression) -> [Statement] {
    let place = position(thread)
    let (row, lane) = (names.fresh("p"), names.fresh("l"))
    let channel = .variable(firstChannel) + place.channel
    let y = .variable(firstRow) + place.row + .variable(row)
    let x = .variable(firstColumn) + place.column
    let values = [
      form.image.name: .variable(image), form.channel.name: channel + .variable(lane),
      form.row.name: y, form.column.name: x,
    ]
    let accumulator = form.nest.accumulator.name
    let tail = names.renamed(form.nest.tail).mapExpressions { expression in
      expression.mapExpressions { part in
        if case .load(accumulator, _) = part {
          return .load(sum.name, [thread, .variable(row), .variable(lane)])
        }
        return part
      }.substituting(values)
    }
    let inside = [
      less(channel, form.channel.extent), less(y, form.row.extent), less(x, form.column.extent),
    ]
    return unrolled(row, tile.rows, guarded(inside, vector(lane, tile.channels, tail)))
  }
}
