import LoopIR

/// Fragments out of shared memory, and their products.
extension MatrixKernel {
  private static let unrollLimit = 5
  /// Raises numbers by half a unit of tf32's last place, on average, so that what is cut off errs to both sides. That
  /// takes half the instructions of rounding, and NaN stays NaN.
  private static let raise = 1 + 0x1p-11 / 1.5

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

  /// For each part, what adds products to its sums, or to sums of their own that are added to them at the end.
  func overParts(
    _ part: String, _ products: (_ total: Buffer, _ part: [Expression]) -> [Statement]
  ) -> [Statement] {
    let body = own.map { [clear($0)] + products($0, []) + [add($0, .variable(part))] }
    return unrolled(part, tile.parts, body ?? products(sum, [.variable(part)]))
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
  private func factors(_ left: [Buffer]) -> [(left: Buffer, right: Buffer)] {
    guard left.count == 2 else { return [(left[0], right[0])] }
    return [(left[1], right[0]), (left[0], right[1]), (left[0], right[0])]
  }

  /// Neighbouring products have different sums, so that they need not wait for each other; a tile's fragments in `left`
  /// have the number that `number` makes of it.
  func multiply(
    to total: Buffer, _ part: [Expression], _ left: [Buffer],
    _ number: (_ tile: Expression) -> Expression
  ) -> [Statement] {
    factors(left).flatMap { left, right in
      let (tile, step) = (names.fresh("m"), names.fresh("s"))
      let product = MatrixProduct(
        sum: .init(total.name, [.variable(tile)] + part),
        left: .init(left.name, [number(.variable(tile)), .variable(step)]),
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

  /// One value, in float64 where sums are, or its high and low part.
  func store(
    _ value: Expression, to fragments: [Buffer], _ place: [Expression]
  ) -> [Statement] {
    guard fragments.count == 2 else {
      let element = tile.arithmetic.fragment
      let converted = element == tile.arithmetic.element ? value : .cast(element, value)
      return [.store(fragments[0].name, place, converted)]
    }
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
