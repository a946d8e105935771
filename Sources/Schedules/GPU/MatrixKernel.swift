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
final class MatrixKernel: FragmentKernel, ProductKernel {
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
    weights = tile.stagedWeights(form, ring, &names)
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
}

// MARK: Results

extension MatrixKernel {
  func position(_ thread: Expression) -> FragmentPosition {
    let (lane, warp) = split(thread, by: MatrixShape.warp)
    let (member, group) = split(lane, by: 4)
    let (channels, beside) = split(warp, by: tile.groups)
    let (across, down) = split(beside, by: tile.across)
    return FragmentPosition(
      column: across * .integer(tile.columns), row: down * .integer(tile.rows * tile.tiles),
      channel: channels * .integer(tile.warpChannels), group: group, member: member)
  }
}
