import LoopIR

/// Fragments out of shared memory, and their products.
extension MatrixKernel {
  private static let unrollLimit = 5

  func accumulate() -> [Statement] {
    tile.reads == .wide ? accumulateWide() : accumulateMatrices()
  }

  private func accumulateWide() -> [Statement] {
    let (row, column) = (names.fresh(form.kernelRow.name), names.fresh(form.kernelColumn.name))
    if tile.sharesRows {
      let read = perThread { readRows($0, .variable(column)) }
      let places = products(.variable(row), .variable(column)) { [self] in
        takeRows($0, .variable(row))
      }
      return overColumns(column, [read] + unrolled(row, form.kernelRow.extent, places))
    }
    let places = products(.variable(row), .variable(column)) { [self] in
      loadPixels($0, .variable(row), .variable(column))
    }
    return [
      .loop(
        Loop(
          row, .integer(0), .integer(form.kernelRow.extent), body: overColumns(column, places)))
    ]
  }

  /// Split factors take twice the registers, so that those of several columns would not fit.
  func overColumns(_ column: String, _ body: [Statement]) -> [Statement] {
    let columns = form.kernelColumn.extent
    let isUnrolled = columns <= Self.unrollLimit && tile.arithmetic.copies == 1
    let kind: LoopKind = isUnrolled ? .unrolled : .serial
    return [.loop(Loop(column, .integer(0), .integer(columns), kind: kind, body: body))]
  }

  /// The products of one place of the kernel, with what gives each thread its fragments of pixels.
  private func products(
    _ kernelRow: Expression, _ kernelColumn: Expression,
    pixels: (_ thread: Expression) -> [Statement]
  ) -> [Statement] {
    let part = names.fresh("n")
    let pixels = perThread(pixels)
    let weights = perThread { loadWeights($0, kernelRow, kernelColumn, .variable(part)) }
    return [pixels] + overParts(part) { [weights] + multiply(to: $0, $1, left) { $0 } }
  }

  /// For each part, what adds products to its sums.
  func overParts(
    _ part: String, _ products: (_ total: Buffer, _ part: [Expression]) -> [Statement]
  ) -> [Statement] {
    unrolled(part, tile.parts, addingUp([.variable(part)], products))
  }

  /// Rows of A are pixels: a thread has its column of pixels, in both rows of each tile.
  private func loadPixels(
    _ thread: Expression, _ kernelRow: Expression, _ kernelColumn: Expression
  ) -> [Statement] {
    let place = position(thread)
    let (tile, half) = (names.fresh("m"), names.fresh("h"))
    let row = place.row + .variable(tile) * .integer(self.tile.rows) + .variable(half)
    let y = row * .integer(form.strideY) + kernelRow
    let x = (place.column + place.group) * .integer(form.strideX) + kernelColumn
    let fragments = load(place.member, to: left, [thread, .variable(tile)]) {
      .load(pixels.name, [.variable(at.slot), y, x, $0])
    } register: {
      $0 * .integer(2) + .variable(half)
    }
    return unrolled(tile, self.tile.tiles, unrolled(half, self.tile.rows, fragments))
  }

  /// All rows of a thread's column of pixels that some row of the kernel sees.
  private func readRows(_ thread: Expression, _ kernelColumn: Expression) -> [Statement] {
    let place = position(thread)
    let row = names.fresh("r")
    let y = place.row * .integer(form.strideY) + .variable(row)
    let x = (place.column + place.group) * .integer(form.strideX) + kernelColumn
    let read = load(place.member, to: rows, [thread, .variable(row)]) {
      .load(pixels.name, [.variable(at.slot), y, x, $0])
    } register: {
      $0
    }
    return unrolled(row, tile.pixelRows(form), read)
  }

  /// The rows that one row of the kernel sees, as fragments.
  private func takeRows(_ thread: Expression, _ kernelRow: Expression) -> [Statement] {
    let (tile, half) = (names.fresh("m"), names.fresh("h"))
    let (step, depth, element) = (names.fresh("s"), names.fresh("k"), names.fresh("i"))
    let packing = Expression.integer(self.tile.shape.packing)
    let number = .variable(tile) * .integer(self.tile.rows) + Expression.variable(half)
    let row = number * .integer(form.strideY) + kernelRow
    let register = .variable(depth) * .integer(2) + Expression.variable(half)
    let copies = zip(left, rows).map { left, rows in
      Statement.store(
        left.name,
        [
          thread, .variable(tile), .variable(step), register * packing + .variable(element),
        ],
        .load(
          rows.name,
          [thread, row, .variable(step), .variable(depth) * packing + .variable(element)]))
    }
    let inner = unrolled(depth, 2, vector(element, self.tile.shape.packing, copies))
    return unrolled(
      tile, self.tile.tiles,
      unrolled(half, self.tile.rows, unrolled(step, self.tile.steps, inner)))
  }

  /// Columns of B are channels.
  private func loadWeights(
    _ thread: Expression, _ kernelRow: Expression, _ kernelColumn: Expression, _ part: Expression
  ) -> [Statement] {
    let place = position(thread)
    let channel = place.channel + part * .integer(MatrixShape.columns) + place.group
    return load(place.member, to: right, [thread]) {
      .load(weights.name, [weightSlot, kernelRow, kernelColumn, channel, $0])
    } register: {
      $0
    }
  }
}
