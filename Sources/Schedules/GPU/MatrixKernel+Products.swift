import LoopIR

/// Fragments out of shared memory, and their products.
extension MatrixKernel {
  private static let unrollLimit = 5
  /// Raises numbers by half a unit of tf32's last place, on average, so that what is cut off errs to both sides. That
  /// takes half the instructions of rounding, and NaN stays NaN.
  private static let raise = 1 + 0x1p-11 / 1.5

  func accumulate() -> [Statement] {
    let (row, column) = (names.fresh(form.kernelRow.name), names.fresh(form.kernelColumn.name))
    let count = form.kernelColumn.extent
    // Split factors take twice the registers, so that those of several columns would not fit.
    let isUnrolled = count <= Self.unrollLimit && tile.arithmetic.copies == 1
    let columns = Loop(
      column, .integer(0), .integer(count), kind: isUnrolled ? .unrolled : .serial,
      body: products(.variable(row), .variable(column)))
    return [
      .loop(
        Loop(row, .integer(0), .integer(form.kernelRow.extent), body: [.loop(columns)]))
    ]
  }

  /// The products of one place of the kernel.
  private func products(
    _ kernelRow: Expression, _ kernelColumn: Expression
  ) -> [Statement] {
    let part = names.fresh("n")
    let pixels = perThread { loadPixels($0, kernelRow, kernelColumn) }
    let weights = perThread { loadWeights($0, kernelRow, kernelColumn, .variable(part)) }
    let body = own.map { own in
      [clear(own), weights] + multiply(to: own, []) + [add(own, .variable(part))]
    }
    return [pixels]
      + unrolled(part, tile.parts, body ?? [weights] + multiply(to: sum, [.variable(part)]))
  }

  private func clear(_ own: Buffer) -> Statement {
    perThread { thread in
      overElements { [.store(own.name, [thread, $0, $1], .real(0, own.element))] }
    }
  }

  private func add(_ own: Buffer, _ part: Expression) -> Statement {
    perThread { thread in
      overElements { tile, element in
        let place = [thread, tile, part, element]
        let total = Expression.load(sum.name, place) + .load(own.name, [thread, tile, element])
        return [.store(sum.name, place, total)]
      }
    }
  }

  private func overElements(
    _ body: (_ tile: Expression, _ element: Expression) -> [Statement]
  ) -> [Statement] {
    let (tile, element) = (names.fresh("m"), names.fresh("e"))
    return unrolled(
      tile, self.tile.tiles,
      vector(element, MatrixShape.sumCount, body(.variable(tile), .variable(element))))
  }

  /// What is multiplied with what, the smallest products first.
  private func factors() -> [(left: Buffer, right: Buffer)] {
    guard left.count == 2 else { return [(left[0], right[0])] }
    return [(left[1], right[0]), (left[0], right[1]), (left[0], right[0])]
  }

  /// Neighbouring products have different sums, so that they need not wait for each other.
  private func multiply(to total: Buffer, _ part: [Expression]) -> [Statement] {
    factors().flatMap { left, right in
      let (tile, step) = (names.fresh("m"), names.fresh("s"))
      let product = MatrixProduct(
        sum: .init(total.name, [.variable(tile)] + part),
        left: .init(left.name, [.variable(tile), .variable(step)]),
        right: .init(right.name, [.variable(step)]))
      return unrolled(
        step, self.tile.steps, unrolled(tile, self.tile.tiles, [.multiply(product)]))
    }
  }

  /// Rows of A are pixels: a thread has its column of pixels, in both rows of each tile.
  private func loadPixels(
    _ thread: Expression, _ kernelRow: Expression, _ kernelColumn: Expression
  ) -> [Statement] {
    let place = position(thread)
    let (tile, half) = (names.fresh("m"), names.fresh("h"))
    let row = place.row + .variable(tile) * .integer(MatrixTile.rows) + .variable(half)
    let y = row * .integer(form.strideY) + kernelRow
    let x = place.column * .integer(form.strideX) + kernelColumn
    let fragments = load(place.member, to: left, [thread, .variable(tile)]) {
      .load(pixels.name, [.variable(at.slot), y, x, $0])
    } register: {
      $0 * .integer(2) + .variable(half)
    }
    return unrolled(tile, self.tile.tiles, unrolled(half, MatrixTile.rows, fragments))
  }

  /// Columns of B are channels.
  private func loadWeights(
    _ thread: Expression, _ kernelRow: Expression, _ kernelColumn: Expression, _ part: Expression
  ) -> [Statement] {
    let place = position(thread)
    let channel = place.channel + part * .integer(MatrixShape.columns) + place.group
    return load(place.member, to: right, [thread]) {
      .load(weights.name, [.variable(at.slot), kernelRow, kernelColumn, channel, $0])
    } register: {
      $0
    }
  }

  /// Reads a thread's channels at once and puts them into fragments: `source` gives the value of a channel,
  /// `register` which register of a fragment has the first or second half of the depth.
  private func load(
    _ member: Expression, to fragments: [Buffer], _ prefix: [Expression],
    _ source: (Expression) -> Expression, register: (Expression) -> Expression
  ) -> [Statement] {
    if fragments.count == 1 {
      return loadRegisters(member, to: fragments[0], prefix, source, register: register)
    }
    let row = Buffer(
      names.fresh("row"), tile.arithmetic.element, extents: [tile.span], space: .register)
    let (lane, element) = (names.fresh("l"), names.fresh("i"))
    let (step, half) = (names.fresh("s"), names.fresh("k"))
    let channel = member * .integer(tile.span) + .variable(lane)
    let read = vector(
      lane, tile.span, [.store(row.name, [.variable(lane)], source(channel))])
    let packing = Expression.integer(tile.shape.packing)
    let first = (.variable(step) * .integer(2) + .variable(half)) * packing
    let value = Expression.load(row.name, [first + .variable(element)])
    let place =
      prefix + [.variable(step), register(.variable(half)) * packing + .variable(element)]
    let copy = vector(element, tile.shape.packing, store(value, to: fragments, place))
    return [.allocate(row)] + read + unrolled(step, tile.steps, unrolled(half, 2, copy))
  }

  /// The same, 32 bits at a time: then a fragment's registers follow each other, as the instruction wants them, without
  /// moves (the two rows of a fragment alternate in its registers, so wide reads would have to be taken apart).
  private func loadRegisters(
    _ member: Expression, to fragment: Buffer, _ prefix: [Expression],
    _ source: (Expression) -> Expression, register: (Expression) -> Expression
  ) -> [Statement] {
    let (step, half, element) = (names.fresh("s"), names.fresh("k"), names.fresh("i"))
    let packing = Expression.integer(tile.shape.packing)
    let unit = (.variable(step) * .integer(2) + .variable(half)) * .integer(4) + member
    let place =
      prefix + [.variable(step), register(.variable(half)) * packing + .variable(element)]
    let read = Statement.store(
      fragment.name, place, source(unit * packing + .variable(element)))
    return unrolled(
      step, tile.steps, unrolled(half, 2, vector(element, tile.shape.packing, [read])))
  }

  /// One value, or its high and low part.
  private func store(
    _ value: Expression, to fragments: [Buffer], _ place: [Expression]
  ) -> [Statement] {
    guard fragments.count == 2 else { return [.store(fragments[0].name, place, value)] }
    let (whole, high) = (names.fresh("whole"), names.fresh("high"))
    let raised = Expression.variable(whole) * .real(Self.raise, .f32)
    let low = Expression.variable(whole) - .variable(high)
    return [
      .bind(whole, value), .bind(high, .unary(.tf32TowardsZero, raised)),
      .store(fragments[0].name, place, .variable(high)),
      .store(fragments[1].name, place, .unary(.tf32TowardsZero, low)),
    ]
  }
}
