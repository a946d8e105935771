import LoopIR
import Tensors

/// A staged convolution whose warp groups multiply matrices out of shared memory.
///
/// ```
/// proxy_fence; barrier
/// wgmma_fence
/// for ky, kx, step, tile { wgmma sum[tile] += pixels[...] by [...] * weights[...] by [...] }
/// wgmma_commit
/// start copies of a later chunk
/// wgmma_wait 0
/// ```
/// Units of 16 bytes of channels lie apart, so that 8 neighbouring pixels, or channels, lie together as tensor cores want
/// them: the matrix of another place of the kernel has another first element and is the same otherwise.
final class WarpGroupKernel: FragmentKernel {
  let form: StagedConvolution
  let tile: WarpGroupTile
  let ring: StagingRing
  let at: BlockVariables
  var names: NameSupply
  /// Shared: [slot, row, unit, column, lane].
  let pixels: Buffer
  /// Shared: [slot, ky, kx, unit, channel, lane].
  let weights: Buffer
  /// [thread, tile, part, element].
  let sum: Buffer

  init(_ form: StagedConvolution, _ tile: WarpGroupTile, _ gpu: GPU) {
    self.form = form
    self.tile = tile
    ring = tile.ring(form, gpu)
    var names = NameSupply(form.kernel)
    pixels = tile.stagedPixels(form, ring, &names)
    weights = tile.stagedWeights(form, ring, &names)
    sum = Buffer(
      names.fresh("sum"), .f32,
      extents: [tile.threads, tile.tiles, tile.parts, MatrixShape.sumCount], space: .register)
    at = BlockVariables(form, &names)
    self.names = names
  }

  var weightOrder: [Int] { [2, 3, 0, 1] }
  var roundsWeights: Bool { true }
  var buffers: [Buffer] { [weights, sum] }

  func position(_ thread: Expression) -> FragmentPosition {
    let (lane, warp) = split(thread, by: MatrixShape.warp)
    let (member, group) = split(lane, by: 4)
    let (own, warpGroup) = split(warp, by: WarpGroupProduct.threads / MatrixShape.warp)
    return FragmentPosition(
      column: .integer(0),
      row: warpGroup * .integer(tile.rows * tile.tiles) + own * .integer(2),
      channel: .integer(0), group: group, member: member)
  }

  // MARK: Products

  /// What the threads have staged is for tensor cores to read.
  var arrived: [Statement] { [.warpGroup(.publish)] }

  /// Copies start while the products are under way.
  func multiply(while next: [Statement]) -> [Statement] {
    accumulate() + next + [.warpGroup(.wait(0))]
  }

  func accumulate() -> [Statement] {
    [.warpGroup(.fence)] + products() + [.warpGroup(.commit)]
  }

  private func products() -> [Statement] {
    let (row, column) = (names.fresh(form.kernelRow.name), names.fresh(form.kernelColumn.name))
    let (step, tile) = (names.fresh("s"), names.fresh("m"))
    let unit = .variable(step) * .integer(self.tile.arithmetic.shape.depth / self.tile.unitLanes)
    let y =
      .variable(tile) * .integer(self.tile.rows * form.strideY) + Expression.variable(row)
    let product = WarpGroupProduct(
      sum: .init(sum.name, [.variable(tile)]),
      left: matrix(
        pixels, [.variable(at.slot), y, unit, .variable(column), .integer(0)],
        groupStep: self.tile.rows * self.tile.tiles * form.strideY * pixels.strides[1],
        rowStep: form.strideY * pixels.strides[1]),
      right: matrix(
        weights,
        [weightSlot, .variable(row), .variable(column), unit, .integer(0), .integer(0)],
        groupStep: 0, rowStep: SharedMatrix.rowsTogether * self.tile.unitLanes))
    let steps = unrolled(
      step, self.tile.steps,
      unrolled(tile, self.tile.tiles, [.warpGroup(.multiply(product))]))
    return unrolled(
      row, form.kernelRow.extent, unrolled(column, form.kernelColumn.extent, steps))
  }

  /// Units are the dimension before the last two.
  private func matrix(
    _ buffer: Buffer, _ first: [Expression], groupStep: Int, rowStep: Int
  ) -> SharedMatrix {
    SharedMatrix(
      buffer.name, first, groupStep: groupStep, rowStep: rowStep,
      columnStep: buffer.strides[buffer.strides.count - 3])
  }
}
