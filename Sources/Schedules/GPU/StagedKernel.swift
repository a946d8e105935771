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
protocol StagedKernel: BlockKernel where Tile: BlockTile {
  var ring: StagingRing { get }
  /// Shared: [slot, row, column, input], or as `pixelPlace` says.
  var pixels: Buffer { get }
  /// What the block allocates besides.
  var buffers: [Buffer] { get }

  /// Where `pixels` has a lane of a run of a pixel's channels.
  func pixelPlace(
    _ slot: Expression, _ row: Expression, _ column: Expression, _ run: StagedRun,
    _ lane: Expression
  ) -> [Expression]
  /// The value that is staged for a pixel.
  func staged(_ pixel: Expression) -> Expression
  func start(_ thread: Expression) -> [Statement]
  /// The chunk's weights for the block's channels.
  func weightUnits(_ chunk: StagedChunk) -> StagedUnits
  /// Adds a chunk's products to the sums; not for one thread, but for all.
  func accumulate() -> [Statement]
  /// What all threads do between a chunk's arrival and the barrier.
  var arrived: [Statement] { get }
  /// `accumulate`, and `next`, which may overwrite the chunk before.
  func multiply(while next: [Statement]) -> [Statement]
  /// What all threads do with the sums when no chunk is left.
  func finish() -> [Statement]
}

extension StagedKernel {
  func pixelPlace(
    _ slot: Expression, _ row: Expression, _ column: Expression, _ run: StagedRun,
    _ lane: Expression
  ) -> [Expression] {
    [slot, row, column, run.first + lane]
  }

  var arrived: [Statement] { [] }

  func multiply(while next: [Statement]) -> [Statement] { next + accumulate() }

  func scheduled() -> Kernel { onGrid(block()) }

  /// What a block does.
  func block() -> [Statement] {
    var body = places() + ([pixels] + buffers).map(Statement.allocate)
    body += startCopies()
    body.append(perThread(start))
    body.append(
      .loop(Loop(at.chunk, .integer(0), .integer(ring.chunks), body: round())))
    return body + finish()
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
    ]
    return wait + arrived + [.barrier] + multiply(while: startNext())
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
}
