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
  private let pixels: Buffer
  private let gradients: Buffer
  /// Fragments: [thread, kx, tile, part, element].
  private let sums: Buffer
  /// Of few products, where they are summed up on their own: [thread, tile, element].
  private let own: Buffer?
  /// Fragments of factors: [thread, tile, step, element] and [thread, part, step, element], of the parts that are read
  /// together; twice where they are split.
  private let left: [Buffer]
  private let right: [Buffer]
  private let place: (block: String, input: String, output: String, group: String, rows: String)

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

// MARK: Chunks

extension GradientKernel {
  /// Rows of a part, and chunks of them, of columns, and of the part's images together.
  private var rows: Int { form.row.extent / sum.blocks }
  private var chunkRows: Int { (rows + tile.height - 1) / tile.height }
  private var chunkColumns: Int { (form.column.extent + tile.width - 1) / tile.width }
  private var chunks: Int { form.image.extent / sum.groups * chunkRows * chunkColumns }

  private func overChunks() -> [Statement] {
    let chunk = names.fresh("chunk")
    let next = .variable(chunk) + Expression.integer(1)
    func slot(_ number: Expression) -> Expression { split(number, by: 2).0 }
    let rounded = perThread { thread in
      roundCopied(pixelUnits(.variable(chunk), slot(.variable(chunk))), thread)
        + roundCopied(gradientUnits(.variable(chunk), slot(.variable(chunk))), thread)
    }
    let round =
      [.waitGroup(0), rounded, .barrier]
      + guarded([less(next, chunks)], stage(next, slot(next))) + [.commitGroup]
      + products(slot(.variable(chunk)))
    return stage(.integer(0), .integer(0)) + [.commitGroup]
      + [.loop(Loop(chunk, .integer(0), .integer(chunks), body: round))]
  }

  private func stage(_ chunk: Expression, _ slot: Expression) -> [Statement] {
    [perThread { stage(pixelUnits(chunk, slot), $0) + stage(gradientUnits(chunk, slot), $0) }]
  }

  /// The image of a chunk, its first row, counted from the part's, and its first column.
  private func origin(
    _ chunk: Expression
  ) -> (image: Expression, row: Expression, column: Expression) {
    let (column, rest) = split(chunk, by: chunkColumns)
    let (row, image) = split(rest, by: chunkRows)
    let first = Expression.variable(place.group) * .integer(form.image.extent / sum.groups)
    return (first + image, row * .integer(tile.height), column * .integer(tile.width))
  }

  /// The pixels that the chunk's gradients see; zero in the padding.
  private func pixelUnits(_ chunk: Expression, _ slot: Expression) -> StagedUnits {
    let columns = tile.pixelColumns(form)
    let origin = origin(chunk)
    return units(
      form.pixel, pixels, slot, [tile.pixelRows(form), columns], channels: form.input,
      from: place.input
    ) { [self] row, column in
      let values = [
        form.image.name: origin.image,
        form.row.name: .variable(place.rows) * .integer(rows) + origin.row,
        form.column.name: origin.column, form.kernelRow.name: row, form.kernelColumn.name: column,
      ]
      var conditions = form.nest.conditions.map { $0.substituting(values) }
      if rows % tile.height != 0 {
        let seen = (rows - 1) * form.strideY + form.kernelRow.extent
        conditions.append(less(origin.row * .integer(form.strideY) + row, seen))
      }
      if form.column.extent % tile.width != 0 {
        let seen = (form.column.extent - 1) * form.strideX + form.kernelColumn.extent
        conditions.append(less(origin.column * .integer(form.strideX) + column, seen))
      }
      return (values, conditions)
    }
  }

  /// The chunk's gradients; zero beyond the part's last row and the last column.
  private func gradientUnits(_ chunk: Expression, _ slot: Expression) -> StagedUnits {
    let origin = origin(chunk)
    return units(
      form.gradient, gradients, slot, [tile.height, tile.width], channels: form.output,
      from: place.output
    ) { [self] row, column in
      let values = [
        form.image.name: origin.image,
        form.row.name: .variable(place.rows) * .integer(rows) + origin.row + row,
        form.column.name: origin.column + column,
      ]
      var conditions: [Expression] = []
      if rows % tile.height != 0 { conditions.append(less(origin.row + row, rows)) }
      if form.column.extent % tile.width != 0 {
        conditions.append(less(origin.column + column, form.column.extent))
      }
      return (values, conditions)
    }
  }

  /// All channels of the block, of every place of a shared buffer.
  private func units(
    _ value: Expression, _ shared: Buffer, _ slot: Expression, _ extents: [Int],
    channels: LoopNest.Dimension, from first: String,
    _ at:
      @escaping (_ row: Expression, _ column: Expression) -> (
        values: [String: Expression], inside: [Expression]
      )
  ) -> StagedUnits {
    let lanes = largestDivisor(of: shared.extents[3], atMost: form.lanes(of: value))
    let runs = shared.extents[3] / lanes
    func place(
      _ unit: Expression
    ) -> (row: Expression, column: Expression, channel: Expression) {
      let (run, rest) = split(unit, by: runs)
      let (column, row) = split(rest, by: extents[1])
      return (row, column, run * .integer(lanes))
    }
    return StagedUnits(count: extents[0] * extents[1] * runs, lanes: lanes, shared: shared) {
      unit, lane in
      let place = place(unit)
      return [slot, place.row, place.column, place.channel + lane]
    } inside: { unit in
      let place = place(unit)
      return at(place.row, place.column).inside
    } values: { unit in
      let place = place(unit)
      let values = at(place.row, place.column).values
      return StagedValues { lane in
        value.substituting(values).substituting(
          channels.name, with: .variable(first) + place.channel + lane)
      }
    }
  }
}

// MARK: Products

/// 16 neighbouring columns of gradients in shared memory.
private struct FragmentRow {
  var slot: Expression
  var row: Expression
  var column: Expression
}

extension GradientKernel {
  /// A thread's place in its warp and the warp's in the block: rows of the kernel, then output channels.
  private func position(
    _ thread: Expression
  ) -> (kernelRow: Expression, output: Expression, group: Expression, member: Expression) {
    let (lane, warp) = split(thread, by: MatrixShape.warp)
    let (member, group) = split(lane, by: 4)
    let (row, outputs) = split(warp, by: form.kernelRow.extent)
    return (row, outputs * .integer(tile.tiles * MatrixShape.rows), group, member)
  }

  private func clear(_ thread: Expression) -> [Statement] {
    overSums { place in [.store(sums.name, [thread] + place, .real(0, sums.element))] }
  }

  /// Adds a chunk's products to the sums.
  private func products(_ slot: Expression) -> [Statement] {
    let (row, run) = (names.fresh("r"), names.fresh("q"))
    let (kernelColumn, parts, part) = (
      names.fresh(form.kernelColumn.name), names.fresh("p"), names.fresh("n")
    )
    let at = FragmentRow(
      slot: slot, row: .variable(row),
      column: .variable(run) * .integer(GradientTile.columns))
    let first = Expression.variable(parts) * .integer(tile.partsRead)
    let inner = unrolled(
      part, tile.partsRead,
      multiply(.variable(kernelColumn), first + .variable(part), .variable(part)))
    let body =
      loadGradients(at)
      + unrolled(
        kernelColumn, form.kernelColumn.extent,
        unrolled(
          parts, tile.parts / tile.partsRead,
          loadPixels(at, .variable(kernelColumn), first) + inner))
    let runs = Loop(
      run, .integer(0), .integer(tile.width / GradientTile.columns), body: body)
    return [.loop(Loop(row, .integer(0), .integer(tile.height), body: [.loop(runs)]))]
  }

  /// Rows of A are output channels.
  private func loadGradients(_ at: FragmentRow) -> [Statement] {
    let number = names.fresh("m")
    func element(
      _ thread: Expression, _ column: Expression, _ channel: Expression
    ) -> [Expression] {
      let first = position(thread).output + .variable(number) * .integer(MatrixShape.rows)
      return [at.slot, at.row, at.column + column, first + channel]
    }
    let half = Expression.integer(MatrixShape.rows / 2)
    guard !tile.readsMatrices else {
      let read = readMatrices(left[0], [.variable(number), .integer(0)], gradients) {
        thread, matrix, row in
        let (channels, columns) = split(matrix, by: 2)
        return element(thread, columns * half + row, channels * half)
      }
      return unrolled(number, tile.tiles, [read])
    }
    let read = perThread { thread in
      let place = position(thread)
      return load(left, [thread, .variable(number)], registers: 4, place.member) { register in
        split(register, by: 2).1
      } value: { register, column in
        let channel = split(register, by: 2).0 * half + place.group
        return .load(gradients.name, element(thread, column, channel))
      }
    }
    return unrolled(number, tile.tiles, [read])
  }

  /// Columns of B are input channels: those of the parts from `part` on.
  private func loadPixels(
    _ at: FragmentRow, _ kernelColumn: Expression, _ part: Expression
  ) -> [Statement] {
    func element(
      _ thread: Expression, _ column: Expression, _ channel: Expression
    ) -> [Expression] {
      let y = at.row * .integer(form.strideY) + position(thread).kernelRow
      let x = (at.column + column) * .integer(form.strideX) + kernelColumn
      return [at.slot, y, x, part * .integer(MatrixShape.columns) + channel]
    }
    guard !tile.readsMatrices else {
      let half = Expression.integer(tile.arithmetic.shape.depth / 2)
      return [
        readMatrices(right[0], [], pixels) { thread, matrix, row in
          let (columns, number) = split(matrix, by: 2)
          // Where there are two matrices, not all threads' rows are read.
          let own = Expression.binary(.remainder, number, .integer(tile.partsRead))
          return element(thread, columns * half + row, own * .integer(MatrixShape.columns))
        }
      ]
    }
    return [
      perThread { thread in
        let place = position(thread)
        return load(right, [thread, .integer(0)], registers: 2, place.member) { register in
          register
        } value: { _, column in
          .load(pixels.name, element(thread, column, place.group))
        }
      }
    ]
  }

  /// One `ldmatrix transposed`; `element` says where row `row` of a matrix begins.
  private func readMatrices(
    _ fragments: Buffer, _ place: [Expression], _ source: Buffer,
    _ element: (_ thread: Expression, _ matrix: Expression, _ row: Expression) -> [Expression]
  ) -> Statement {
    let thread = names.fresh("t")
    let lane = split(.variable(thread), by: MatrixShape.warp).0
    let (row, matrix) = split(lane, by: MatrixLoad.rows)
    return .loadMatrices(
      MatrixLoad(
        .init(fragments.name, place), from: source.name,
        element(.variable(thread), matrix, row), thread: thread, isTransposed: true))
  }

  /// The registers of fragments of 16 columns: `half` tells which half of a step's columns a register has.
  private func load(
    _ fragments: [Buffer], _ prefix: [Expression], registers: Int, _ member: Expression,
    half: (_ register: Expression) -> Expression,
    value: (_ register: Expression, _ column: Expression) -> Expression
  ) -> [Statement] {
    let shape = tile.arithmetic.shape
    let (step, register) = (names.fresh("s"), names.fresh("k"))
    let packing = Expression.integer(shape.packing)
    let statements = (0..<shape.packing).flatMap { element -> [Statement] in
      let first = .variable(step) * .integer(shape.depth) + member * packing
      let column = first + half(.variable(register)) * .integer(shape.depth / 2)
      return tile.arithmetic.store(
        value(.variable(register), column + .integer(element)), to: fragments,
        prefix + [.variable(step), .variable(register) * packing + .integer(element)], &names)
    }
    return unrolled(
      step, GradientTile.columns / shape.depth, unrolled(register, registers, statements))
  }

  /// Products of the fragments, the smallest first; in sums of their own where tensor cores may add few to one.
  private func multiply(
    _ kernelColumn: Expression, _ part: Expression, _ read: Expression
  ) -> [Statement] {
    let pairs = left.count == 1 ? [(0, 0)] : [(1, 0), (0, 1), (0, 0)]
    let products = pairs.flatMap { a, b -> [Statement] in
      let (step, number) = (names.fresh("s"), names.fresh("m"))
      let total =
        own.map { MatrixProduct.Fragment($0.name, [.variable(number)]) }
        ?? .init(sums.name, [kernelColumn, .variable(number), part])
      let product = MatrixProduct(
        sum: total, left: .init(left[a].name, [.variable(number), .variable(step)]),
        right: .init(right[b].name, [read, .variable(step)]))
      return unrolled(
        step, GradientTile.columns / tile.arithmetic.shape.depth,
        unrolled(number, tile.tiles, [.multiply(product)]))
    }
    guard let own else { return products }
    func overOwn(_ body: (_ thread: Expression, _ place: [Expression]) -> Statement) -> Statement {
      perThread { thread in
        let (number, element) = (names.fresh("m"), names.fresh("e"))
        let statement = body(thread, [.variable(number), .variable(element)])
        return unrolled(
          number, tile.tiles, vector(element, MatrixShape.sumCount, [statement]))
      }
    }
    let clear = overOwn { .store(own.name, [$0] + $1, .real(0, own.element)) }
    let add = overOwn { thread, place in
      let total = [thread, kernelColumn, place[0], part, place[1]]
      return .store(
        sums.name, total, .load(sums.name, total) + .load(own.name, [thread] + place))
    }
    return [clear] + products + [add]
  }

  private func overSums(_ body: (_ place: [Expression]) -> [Statement]) -> [Statement] {
    let inner = ["kx", "m", "p", "e"].map { names.fresh($0) }
    let statements = body(inner.map(Expression.variable))
    let vectors = vector(inner[3], MatrixShape.sumCount, statements)
    return zip(inner, sums.extents.dropFirst()).dropLast().reversed().reduce(vectors) {
      unrolled($1.0, $1.1, $0)
    }
  }

  /// A thread has 2 neighbouring input channels of 2 output channels in each fragment.
  private func write(_ thread: Expression) -> [Statement] {
    let place = position(thread)
    let inner = ["kx", "m", "p", "h", "l"].map { names.fresh($0) }
    let (kernelColumn, number) = (Expression.variable(inner[0]), Expression.variable(inner[1]))
    let (part, half) = (Expression.variable(inner[2]), Expression.variable(inner[3]))
    let lane = Expression.variable(inner[4])
    let row = number * .integer(MatrixShape.rows) + half * .integer(MatrixShape.rows / 2)
    let columns = part * .integer(MatrixShape.columns) + place.member * .integer(2)
    let values = [
      form.output.name: .variable(self.place.output) + place.output + row + place.group,
      form.input.name: .variable(self.place.input) + columns + lane,
      form.kernelRow.name: place.kernelRow, form.kernelColumn.name: kernelColumn,
    ]
    let target =
      [.variable(self.place.group), .variable(self.place.rows)]
      + sum.order.compactMap { values[$0.name] }
    let value = Expression.load(
      sums.name, [thread, kernelColumn, number, part, half * .integer(2) + lane])
    let stored = vector(inner[4], 2, [.store(sum.buffers[0].name, target, value)])
    let counts = [form.kernelColumn.extent, tile.tiles, tile.parts, 2]
    return zip(inner, counts).reversed().reduce(stored) { unrolled($1.0, $1.1, $0) }
  }
}
