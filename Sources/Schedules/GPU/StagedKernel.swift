import LoopIR
import Tensors

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
///
/// A block that takes several turns copies the weights of all chunks once, and then goes through tiles of pixels: copies
/// of the next one's first chunks start while the last ones of the one before are multiplied.
protocol StagedKernel: BlockKernel, StagingKernel where Tile: BlockTile {
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
  var source: Kernel { form.kernel }
  var heldElement: ElementType { form.nest.accumulator.element }

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
    let allocations = ([pixels] + buffers).map(Statement.allocate)
    if !ring.keepsWeights {
      return places() + allocations + startCopies() + results(.variable(at.chunk))
    }
    let turn = names.fresh("turn")
    let step = .variable(turn) * .integer(ring.chunks) + .variable(at.chunk)
    let tile = bind(at.place, to: pixelTile(.variable(turn))) + results(step)
    return [channelPlace()] + allocations + startWeights() + startCopies()
      + [.loop(Loop(turn, .integer(0), .integer(ring.turns), body: tile))]
  }

  /// The results of one tile of pixels; `step` counts chunks of all of the block's.
  private func results(_ step: Expression) -> [Statement] {
    let rounds = Loop(at.chunk, .integer(0), .integer(ring.chunks), body: round(step))
    return [perThread(start), .loop(rounds)] + finish()
  }

  /// The number of a tile of pixels, by its turn in the block.
  private func pixelTile(_ turn: Expression) -> Expression {
    .binary(.divide, .variable(at.block), .integer(tile.channelBlocks(form)))
      * .integer(ring.turns) + turn
  }

  // MARK: Copies

  /// Stages the chunk of a step.
  private func stage(_ step: Expression, slot: Expression) -> [Statement] {
    guard ring.keepsWeights else {
      let chunk = StagedChunk(place: at.place, number: step, slot: slot)
      return [perThread { stage(pixelUnits(chunk), $0) + stage(weightUnits(chunk), $0) }]
    }
    let place = TilePlace(form, &names)
    let (number, turn) = split(step, by: ring.chunks)
    let chunk = StagedChunk(place: place, number: number, slot: slot)
    return bind(place, to: pixelTile(turn)) + [perThread { stage(pixelUnits(chunk), $0) }]
  }

  /// Weights of all chunks, which arrive with the first pixels.
  private func startWeights() -> [Statement] {
    let number = names.fresh("first")
    let chunk = StagedChunk(
      place: at.place, number: .variable(number), slot: .variable(number))
    let copies = perThread { stage(weightUnits(chunk), $0) }
    return [.loop(Loop(number, .integer(0), .integer(ring.chunks), body: [copies]))]
  }

  /// The first chunks, a group of copies each.
  private func startCopies() -> [Statement] {
    let first = names.fresh("first")
    let copies = stage(.variable(first), slot: .variable(first)) + [.commitGroup]
    return [.loop(Loop(first, .integer(0), .integer(ring.ahead), body: copies))]
  }

  /// Waits for a chunk, starts copies of a later one to where the one before was, and multiplies.
  private func round(_ step: Expression) -> [Statement] {
    let wait: [Statement] = [
      .bind(at.slot, slot(of: step)), .waitGroup(ring.ahead - 1),
      // What a thread has copied itself it sees before the barrier.
      perThread { roundCopied($0, step) },
    ]
    return wait + arrived + [.barrier] + multiply(while: startNext(step))
  }

  private func roundCopied(_ thread: Expression, _ step: Expression) -> [Statement] {
    let chunk = StagedChunk(
      place: at.place, number: .variable(at.chunk), slot: .variable(at.slot))
    let pixels = roundCopied(pixelUnits(chunk), thread)
    guard ring.keepsWeights else { return pixels + roundCopied(weightUnits(chunk), thread) }
    var kept = chunk
    kept.slot = chunk.number
    let weights = roundCopied(weightUnits(kept), thread)
    return pixels + (weights.isEmpty ? [] : guarded([less(step, ring.chunks)], weights))
  }

  /// A group, even an empty one, for each round: so what is waited for is the same number of groups.
  private func startNext(_ step: Expression) -> [Statement] {
    if ring.ahead == ring.steps { return ring.steps > 1 ? [.commitGroup] : [] }
    let number = step + .integer(ring.ahead)
    let next = names.fresh("next")
    let copies = [.bind(next, slot(of: number))] + stage(number, slot: .variable(next))
    return guarded([less(number, ring.steps)], copies) + [.commitGroup]
  }

  private func slot(of step: Expression) -> Expression {
    .binary(.remainder, step, .integer(ring.slots))
  }

  /// Which of the weights in shared memory are multiplied.
  var weightSlot: Expression { .variable(ring.keepsWeights ? at.chunk : at.slot) }
}
