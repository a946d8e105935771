import LoopIR
import Tensors

/// Writes the parts of a kernel's gradient as blocks whose warps multiply matrices on tensor cores.
///
/// ```
/// gpu_block b {
///   for chunk of rows and columns of the part's images {
///     stage pixels with a border, and gradients, in shared memory, while the chunk before is multiplied
///     for row, 16 columns {
///       gpu_thread t { left[t, ...] = gradients[...] }
///       for kx, 8 input channels { gpu_thread t { right[t, ...] = pixels[...] }; mma sum[kx, ...] += left * right }
///     }
///   }
///   gpu_thread t { part[...] = sum[t, ...] }
/// }
/// ```
/// The matrices' sums go over pixels: A is output channels by pixels, B pixels by input channels. Both lie in shared memory
/// with channels innermost, so that threads read fragments by elements, in bf16 by `ldmatrix transposed`.
final class GradientKernel: StagingKernel {
  let form: GradientForm
  let tile: GradientTile
  let sum: SumInParts
  let threads: Int
  var names: NameSupply
  /// Shared: [slot, row, column, channel].
  let pixels: Buffer
  let gradients: Buffer
  /// Fragments: [thread, kx, tile, part, element].
  let sums: Buffer
  /// Of few products, where they are summed up on their own: [thread, tile, element].
  let own: Buffer?
  /// Fragments of factors: [thread, tile, step, element] and [thread, part, step, element], of the parts that are read
  /// together; twice where they are split.
  let left: [Buffer]
  let right: [Buffer]
  let place: (block: String, input: String, output: String, group: String, rows: String)

  init(_ form: GradientForm, _ tile: GradientTile, _ sum: SumInParts) {
    (self.form, self.tile, self.sum) = (form, tile, sum)
    let threads = tile.threads(form)
    self.threads = threads
    var names = NameSupply(form.kernel)
    for name in form.kernel.body.definedNames + sum.buffers.map(\.name) { _ = names.fresh(name) }
    let arithmetic = tile.arithmetic
    func shared(_ name: String, _ rows: Int, _ columns: Int, _ channels: Int) -> Buffer {
      let pitch = tile.pitch(channels)
      return Buffer(
        names.fresh(name), arithmetic.element, extents: [2, rows, columns, channels],
        strides: [rows * columns * pitch, columns * pitch, pitch, 1], space: .shared)
    }
    func registers(_ name: String, _ element: ElementType, _ counts: [Int]) -> Buffer {
      Buffer(names.fresh(name), element, extents: [threads] + counts, space: .register)
    }
    pixels = shared("pixels", tile.pixelRows(form), tile.pixelColumns(form), tile.inputs)
    gradients = shared("gradients", tile.height, tile.width, tile.outputs)
    let shape = arithmetic.shape
    let count = MatrixShape.sumCount
    sums = registers(
      "sum", shape.sum, [form.kernelColumn.extent, tile.tiles, tile.parts, count])
    own = arithmetic.sumsApart ? registers("own", shape.sum, [tile.tiles, count]) : nil
    let steps = GradientTile.columns / shape.depth
    let copies = ["", "_low"].prefix(arithmetic.copies)
    left = copies.map {
      registers("left" + $0, arithmetic.fragment, [tile.tiles, steps, shape.leftCount])
    }
    right = copies.map {
      registers(
        "right" + $0, arithmetic.fragment, [tile.partsRead, steps, shape.rightCount])
    }
    place = (
      names.fresh("block"), names.fresh("c0"), names.fresh("n0"), names.fresh("g"),
      names.fresh("b")
    )
    self.names = names
  }

  var source: Kernel { form.kernel }
  var heldElement: ElementType { form.nest.accumulator.element }

  /// Sums take most registers.
  var mostTurns: Int { 2 }

  func staged(_ value: Expression) -> Expression { tile.arithmetic.factor(value, form.factors) }

  func scheduled() -> Kernel {
    let blocks = sum.groups * sum.blocks * tile.blocks(form)
    let body = bindPlace() + allocations() + [perThread(clear)] + overChunks() + [perThread(write)]
    return sum.parts(
      [
        Statement.loop(
          Loop(place.block, .integer(0), .integer(blocks), kind: .gpuBlock, body: body))
      ].simplified())
  }

  private func allocations() -> [Statement] {
    ([pixels, gradients, sums] + (own.map { [$0] } ?? []) + left + right).map(Statement.allocate)
  }

  /// Neighbouring blocks read the same images.
  private func bindPlace() -> [Statement] {
    let (input, rest) = split(
      .variable(place.block), by: form.input.extent / tile.inputs)
    let (output, part) = split(rest, by: form.output.extent / tile.outputs)
    let (rows, group) = split(part, by: sum.blocks)
    return [
      .bind(place.input, input * .integer(tile.inputs)),
      .bind(place.output, output * .integer(tile.outputs)), .bind(place.rows, rows),
      .bind(place.group, group),
    ]
  }
}
