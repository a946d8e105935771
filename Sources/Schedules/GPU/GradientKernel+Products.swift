import LoopIR
import Tensors

/// 16 neighbouring columns of gradients in shared memory.
private struct FragmentRow {
  var slot: Expression
  var row: Expression
  var column: Expression
}

/// Fragments out of shared memory, their products, and what becomes of the sums.
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

  func clear(_ thread: Expression) -> [Statement] {
    overSums { place in [.store(sums.name, [thread] + place, .real(0, sums.element))] }
  }

  /// Adds a chunk's products to the sums.
  func products(_ slot: Expression) -> [Statement] {
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
  func write(_ thread: Expression) -> [Statement] {
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
