import LoopIR

/// A thread's sums of products.
extension NarrowKernel {
  /// Longer sums in float32 are added up from terms, which are those of each kernel column.
  private var hasTerms: Bool {
    shares.element == .f32
      && form.input.extent * form.kernelRow.extent * form.kernelColumn.extent > 32
  }

  /// Names for where a thread's pixels and weights begin.
  private struct Origin {
    var row: Expression
    var column: Expression
    var channel: Expression
    var input: Expression
  }

  /// Adds the products of the thread's input channels to its sums.
  func products(_ thread: Expression, to sum: Buffer) -> [Statement] {
    let place = origin(thread)
    var bindings: [Statement] = []
    func named(_ name: String, _ value: Expression) -> Expression {
      let own = names.fresh(name)
      bindings.append(.bind(own, value))
      return .variable(own)
    }
    let origin = Origin(
      row: named("row", place.row), column: named("column", place.column),
      channel: named("channel", place.channel), input: named("input", place.input))
    let step = names.fresh(form.kernelColumn.name)
    let (columns, turns) = (tile.columns, tile.turns(form))
    let body = columnProducts(origin, .variable(step) * .integer(columns), to: sum)
    let steps = Loop(
      step, .integer(0), .integer(form.kernelColumn.extent / columns), body: body)
    return [
      .loop(
        Loop(
          at.chunk, .integer(0), .integer(turns), kind: turns <= 2 ? .unrolled : .serial,
          body: bindings + [.loop(steps)]))
    ]
  }

  /// The products of a few kernel columns: loads all their pixels, then multiplies column by column.
  private func columnProducts(
    _ origin: Origin, _ first: Expression, to sum: Buffer
  ) -> [Statement] {
    let pixels = Buffer(
      names.fresh("pixels"), sum.element,
      extents: [tile.columns, tile.seenRows(form), tile.lanes], space: .register)
    let loads = (0..<tile.seenRows(form)).flatMap { row in
      (0..<tile.columns).flatMap { column in
        load(pixels, [.integer(column), .integer(row)], origin, first)
      }
    }
    let column = names.fresh("column")
    let place = (own: Expression.variable(column), kernel: first + .variable(column))
    let multiply =
      hasTerms
      ? inTerm(addedTo: sum, where: columns.contains(origin.column + place.kernel)) {
        multiplied(pixels, origin, place, to: $0)
      }
      : multiplied(pixels, origin, place, to: sum)
    return [.allocate(pixels)] + loads + unrolled(column, tile.columns, multiply)
  }

  /// One pixel, zero outside of the image. Where there are terms, those of columns outside are left out as a whole.
  /// Written out for each pixel, so that only those that can be outside are compared.
  private func load(
    _ pixels: Buffer, _ place: [Expression], _ origin: Origin, _ first: Expression
  ) -> [Statement] {
    let lane = names.fresh("l")
    let (row, column) = (origin.row + place[1], origin.column + first + place[0])
    let pixel = form.pixel.substituting([
      form.image.name: .variable(at.image), form.row.name: .integer(0),
      form.column.name: .integer(0), form.kernelRow.name: rows.clamped(row),
      form.kernelColumn.name: columns.clamped(column),
      form.input.name: origin.input + .variable(lane),
    ])
    let inside =
      hasTerms
      ? rows.contains(row) : .binary(.and, rows.contains(row), columns.contains(column))
    let value = Expression.select(inside, pixel, .real(0, pixels.element))
    return vector(lane, tile.lanes, [.store(pixels.name, place + [.variable(lane)], value)])
  }

  /// Clears a buffer, fills it by `body` and adds it to the sums where the condition holds.
  private func inTerm(
    addedTo sum: Buffer, where condition: Expression, _ body: (Buffer) -> [Statement]
  ) -> [Statement] {
    var term = sumBuffer()
    term.name = names.fresh("term")
    let zero = Expression.real(0, term.element)
    let clear = overResults { [.store(term.name, [$0, $1], zero)] }
    let add = overResults { row, lane in
      let value = Expression.select(condition, .load(term.name, [row, lane]), zero)
      return [.store(sum.name, [row, lane], .load(sum.name, [row, lane]) + value)]
    }
    return [.allocate(term)] + clear + body(term) + add
  }

  /// The products of one kernel column.
  private func multiplied(
    _ pixels: Buffer, _ origin: Origin, _ column: (own: Expression, kernel: Expression),
    to sum: Buffer
  ) -> [Statement] {
    let weights = weightBuffer(sum)
    let (kernelRow, lane) = (names.fresh(form.kernelRow.name), names.fresh("i"))
    let update = overResults { row, channel in
      let seen = row * .integer(form.strideY) + .variable(kernelRow)
      let pixel = Expression.load(pixels.name, [column.own, seen, .variable(lane)])
      let weight = Expression.load(
        weights.name, [.variable(kernelRow), channel, .variable(lane)])
      let value = Expression.fma(pixel, weight, .load(sum.name, [row, channel]))
      return [.store(sum.name, [row, channel], value)]
    }
    return [.allocate(weights)] + load(weights, origin, column.kernel)
      + unrolled(kernelRow, form.kernelRow.extent, unrolled(lane, tile.lanes, update))
  }

  /// Registers: [kernel row, channel, lane].
  private func weightBuffer(_ sum: Buffer) -> Buffer {
    let extents = [form.kernelRow.extent, tile.channels, tile.lanes]
    let order = tile.takesInputsTogether ? [0, 1, 2] : [0, 2, 1]
    return Buffer(
      names.fresh("weights"), sum.element, extents: extents,
      strides: Buffer.strides(extents, order: order), space: .register)
  }

  /// The weights of one kernel column, neighbouring ones together.
  private func load(
    _ weights: Buffer, _ origin: Origin, _ kernelColumn: Expression
  ) -> [Statement] {
    let kernelRow = names.fresh(form.kernelRow.name)
    let (channel, lane) = (names.fresh("c"), names.fresh("i"))
    let value = form.weight(
      origin.channel + .variable(channel), origin.input + .variable(lane), .variable(kernelRow),
      kernelColumn)
    let store = Statement.store(
      weights.name, [kernelRow, channel, lane].map(Expression.variable), value)
    let body =
      tile.takesInputsTogether
      ? unrolled(channel, tile.channels, vector(lane, tile.lanes, [store]))
      : unrolled(lane, tile.lanes, vector(channel, tile.channels, [store]))
    return unrolled(kernelRow, form.kernelRow.extent, body)
  }
}
