import LoopIR

/// Writes a convolution as blocks of threads that share a tile of pixels and the weights for it.
///
/// ```
/// gpu_block b {
///   allocate pixels shared; allocate weights shared; allocate sum register
///   for the first chunks of input channels { gpu_thread t { copy_async ... }; commit_group }
///   gpu_thread t { sum[t, ...] = initial }
///   for chunk of input channels {
///     wait_group
///     barrier
///     gpu_thread t { copy_async pixels[...] = a later chunk's pixels with a border; copy_async weights[...] = ... }
///     commit_group
///     sum += products
///   }
///   gpu_thread t { tail(sum[t, ...]) }
/// }
/// ```
/// How threads share the results, and how products are summed up, is the conforming type's.
protocol StagedKernel: AnyObject {
  associatedtype Tile: BlockTile
  var form: StagedConvolution { get }
  var tile: Tile { get }
  var at: BlockVariables { get }
  var names: NameSupply { get set }
  var ring: StagingRing { get }
  /// Shared: [slot, row, column, input].
  var pixels: Buffer { get }
  /// What the block allocates besides.
  var buffers: [Buffer] { get }

  /// The value that is staged for a pixel.
  func staged(_ pixel: Expression) -> Expression
  func start(_ thread: Expression) -> [Statement]
  /// The chunk's weights for the block's channels.
  func weightUnits(_ chunk: StagedChunk) -> StagedUnits
  /// Adds a chunk's products to the sums; not for one thread, but for all.
  func accumulate() -> [Statement]
  func finish(_ thread: Expression) -> [Statement]
}

/// Fresh names of what is the same for all threads of a block.
struct BlockVariables {
  let block: String
  let chunk: String
  let slot: String
  let image: String
  let firstRow: String
  let firstColumn: String
  let firstChannel: String

  init(_ form: StagedConvolution, _ names: inout NameSupply) {
    block = names.fresh("block")
    chunk = names.fresh("chunk")
    slot = names.fresh("slot")
    image = names.fresh(form.image.name)
    firstRow = names.fresh("y0")
    firstColumn = names.fresh("x0")
    firstChannel = names.fresh("c0")
  }
}

extension StagedKernel {
  func scheduled() -> Kernel {
    var body = places() + ([pixels] + buffers).map(Statement.allocate)
    body += startCopies()
    body.append(perThread(start))
    body.append(
      .loop(Loop(at.chunk, .integer(0), .integer(ring.chunks), body: round())))
    body.append(perThread(finish))
    var result = form.kernel
    result.body = [
      Statement.loop(
        Loop(at.block, .integer(0), .integer(tile.blockCount(form)), kind: .gpuBlock, body: body))
    ].simplified()
    return result
  }

  /// Stages a chunk.
  private func stage(_ chunk: StagedChunk) -> Statement {
    perThread { stage(pixelUnits(chunk), $0) + stage(weightUnits(chunk), $0) }
  }

  private func slot(of chunk: Expression) -> Expression {
    .binary(.remainder, chunk, .integer(ring.slots))
  }

  /// The first chunks, a group of copies each.
  private func startCopies() -> [Statement] {
    let first = names.fresh("first")
    let chunk = StagedChunk(number: .variable(first), slot: .variable(first))
    return [
      .loop(Loop(first, .integer(0), .integer(ring.ahead), body: [stage(chunk), .commitGroup]))
    ]
  }

  /// Waits for a chunk, starts copies of a later one to where the one before was, and multiplies.
  private func round() -> [Statement] {
    let chunk = StagedChunk(number: .variable(at.chunk), slot: .variable(at.slot))
    let wait: [Statement] = [
      .bind(at.slot, slot(of: chunk.number)), .waitGroup(ring.ahead - 1),
      // What a thread has copied itself it sees before the barrier.
      perThread { roundCopied(pixelUnits(chunk), $0) + roundCopied(weightUnits(chunk), $0) },
      .barrier,
    ]
    return wait + startNext() + accumulate()
  }

  /// A group, even an empty one, for each round: so what is waited for is the same number of groups.
  private func startNext() -> [Statement] {
    if ring.ahead == ring.chunks { return ring.chunks > 1 ? [.commitGroup] : [] }
    let number = .variable(at.chunk) + .integer(ring.ahead)
    let next = names.fresh("next")
    let chunk = StagedChunk(number: number, slot: .variable(next))
    let copies: [Statement] = [.bind(next, slot(of: number)), stage(chunk)]
    return guarded([less(number, ring.chunks)], copies) + [.commitGroup]
  }

  /// Where the block is: neighbours share their pixels and differ in channels.
  private func places() -> [Statement] {
    let counts = [tile.channelBlocks(form), tile.blockColumns(form), tile.blockRows(form)]
    let sizes = [tile.blockChannels, tile.width, tile.height]
    var statements: [Statement] = []
    var rest = Expression.variable(at.block)
    for (name, (count, size)) in zip(
      [at.firstChannel, at.firstColumn, at.firstRow], zip(counts, sizes))
    {
      statements.append(
        .bind(name, .binary(.remainder, rest, .integer(count)) * .integer(size)))
      rest = .binary(.divide, rest, .integer(count))
    }
    return statements + [.bind(at.image, rest)]
  }

  /// A region in which all threads do what `body` makes of the thread's variable.
  func perThread(_ body: (Expression) -> [Statement]) -> Statement {
    let thread = names.fresh("t")
    let statements = body(.variable(thread))
    return .loop(
      Loop(thread, .integer(0), .integer(tile.threads), kind: .gpuThread, body: statements))
  }

  /// The nest's tail for one result, with fresh names and the sum in place of the accumulator.
  func tail(
    of sum: Expression, channel: Expression, row: Expression, column: Expression
  ) -> [Statement] {
    let values = [
      form.image.name: .variable(at.image), form.channel.name: channel, form.row.name: row,
      form.column.name: column,
    ]
    let accumulator = form.nest.accumulator.name
    return names.renamed(form.nest.tail).mapExpressions { expression in
      expression.mapExpressions { part in
        if case .load(accumulator, _) = part { return sum }
        return part
      }.substituting(values)
    }
  }
}

// MARK: Building blocks

extension StagedKernel {
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
    guard let condition = all(conditions) else { return then }
    return [.conditional(condition, then: then, otherwise: otherwise)]
  }

  /// Nil where there are none.
  func all(_ conditions: [Expression]) -> Expression? {
    conditions.first.map { first in
      conditions.dropFirst().reduce(first) { .binary(.and, $0, $1) }
    }
  }

  func less(_ a: Expression, _ b: Int) -> Expression { .binary(.less, a, .integer(b)) }

  /// (value mod count, value / count).
  func split(_ value: Expression, by count: Int) -> (Expression, Expression) {
    (
      .binary(.remainder, value, .integer(count)), .binary(.divide, value, .integer(count))
    )
  }
}
