import LoopIR

/// Fragments out of shared memory by `ldmatrix`.
extension MatrixKernel {
  func accumulateMatrices() -> [Statement] {
    let (row, column) = (names.fresh(form.kernelRow.name), names.fresh(form.kernelColumn.name))
    let part = names.fresh("n")
    let weights = weightMatrices(.variable(row), .variable(column), .variable(part))
    func products(_ total: Buffer, _ part: [Expression]) -> [Statement] {
      weights
        + multiply(to: total, part, rows) { $0 * .integer(form.strideY) + .variable(row) }
    }
    func overRows(_ body: [Statement]) -> [Statement] {
      unrolled(row, form.kernelRow.extent, body)
    }
    let isShort = form.kernelRow.extent * tile.inputs <= MatrixArithmetic.mostProducts
    let parts =
      isShort
      ? overParts(part) { overRows(products($0, $1)) } : overRows(overParts(part, products))
    return overColumns(column, pixelMatrices(.variable(column)) + parts)
  }

  /// All rows of pixels that some row of the kernel sees: A's matrices are 8 pixels, then the 8 beside them, of the
  /// first half of the step's channels, then of the second.
  private func pixelMatrices(_ kernelColumn: Expression) -> [Statement] {
    let (row, step) = (names.fresh("r"), names.fresh("s"))
    let read = load(rows, [.variable(row), .variable(step)], from: pixels) { thread in
      let place = position(thread)
      let (pixel, half) = split(lane(thread), by: MatrixShape.rows)
      let y = place.row * .integer(form.strideY) + .variable(row)
      let x = (place.column + pixel) * .integer(form.strideX) + kernelColumn
      return [y, .variable(step) * .integer(2) + half, x]
    }
    return unrolled(row, tile.pixelRows(form), unrolled(step, tile.steps, read))
  }

  /// B's matrices are 8 channels of each half of each step.
  private func weightMatrices(
    _ kernelRow: Expression, _ kernelColumn: Expression, _ part: Expression
  ) -> [Statement] {
    load(right, [], from: weights) { thread in
      // Where there are fewer than 4 matrices, not all threads' rows are read.
      let (channel, unit) = split(lane(thread), by: MatrixShape.columns)
      let first = position(thread).channel + part * .integer(MatrixShape.columns)
      return [
        kernelRow, kernelColumn, .binary(.remainder, unit, .integer(tile.units)), first + channel,
      ]
    }
  }

  private func lane(_ thread: Expression) -> Expression { split(thread, by: MatrixShape.warp).0 }

  /// One `ldmatrix`; split factors are split where they are.
  private func load(
    _ fragments: [Buffer], _ place: [Expression], from source: Buffer,
    _ row: (_ thread: Expression) -> [Expression]
  ) -> [Statement] {
    let thread = names.fresh("t")
    let indices = [.variable(at.slot)] + row(.variable(thread)) + [.integer(0)]
    let load = Statement.loadMatrices(
      MatrixLoad(
        .init(fragments[0].name, place), from: source.name, indices, thread: thread))
    guard fragments.count == 2 else { return [load] }
    let split = perThread { thread in
      let dimensions = fragments[0].extents.dropFirst(1 + place.count)
      let inner = dimensions.map { _ in names.fresh("i") }
      let element = [thread] + place + inner.map(Expression.variable)
      let body = store(.load(fragments[0].name, element), to: fragments, element)
      return zip(inner, dimensions).reversed().reduce(body) { unrolled($1.0, $1.1, $0) }
    }
    return [load, split]
  }
}
