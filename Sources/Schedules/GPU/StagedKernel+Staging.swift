import LoopIR

/// Copies of pixels into shared memory.
extension StagedKernel {
  /// The chunk's channels of every pixel that the block sees; zero outside of the image.
  func stagePixels(_ thread: Expression) -> [Statement] {
    let widest = form.lanes(of: form.pixel)
    let lanes = [widest, 4].first { tile.inputs % $0 == 0 } ?? 1
    let units = tile.inputs / lanes
    let (rows, columns) = (pixels.extents[0], pixels.extents[1])
    return overUnits(rows * columns * units, thread) { unit in
      let (group, rest) = split(unit, by: units)
      let (column, row) = split(rest, by: columns)
      let lane = names.fresh("l")
      let own = group * .integer(lanes)
      func store(_ value: Expression) -> [Statement] {
        vector(
          lane, lanes, [.store(pixels.name, [row, column, own + .variable(lane)], staged(value))])
      }
      let channel = .variable(at.chunk) * .integer(tile.inputs) + own
      let inside = inside(row: row, column: column)
      let zeroLane = names.fresh("l")
      let zero = vector(
        zeroLane, lanes,
        [
          .store(
            pixels.name, [row, column, own + .variable(zeroLane)],
            .real(0, pixels.element))
        ])
      let values = values(row: row, column: column)
      let pixel = load(
        form.pixel.substituting(values), channel: channel, lane: lane, lanes: lanes, store)
      return guarded(inside, pixel, otherwise: zero)
    }
  }

  /// What the nest's variables are at a staged pixel.
  private func values(row: Expression, column: Expression) -> [String: Expression] {
    [
      form.image.name: .variable(at.image), form.row.name: .variable(at.firstRow),
      form.column.name: .variable(at.firstColumn), form.kernelRow.name: row,
      form.kernelColumn.name: column,
    ]
  }

  /// The padding's conditions, and that some result inside of the image sees the pixel.
  private func inside(row: Expression, column: Expression) -> [Expression] {
    let values = values(row: row, column: column)
    var conditions = form.nest.conditions.map { $0.substituting(values) }
    if form.row.extent % tile.height != 0 {
      let rows = (form.row.extent - 1) * form.strideY + form.kernelRow.extent
      conditions.append(less(.variable(at.firstRow) * .integer(form.strideY) + row, rows))
    }
    if form.column.extent % tile.width != 0 {
      let columns = (form.column.extent - 1) * form.strideX + form.kernelColumn.extent
      conditions.append(less(.variable(at.firstColumn) * .integer(form.strideX) + column, columns))
    }
    return conditions
  }

  /// Stores lanes of a pixel; a selection between two images by the channel becomes a branch, where no vector of
  /// lanes lies across the border.
  private func load(
    _ pixel: Expression, channel: Expression, lane: String, lanes: Int,
    _ store: (Expression) -> [Statement]
  ) -> [Statement] {
    let input = form.input.name
    func placed(_ expression: Expression) -> Expression {
      expression.substituting(input, with: channel + .variable(lane))
    }
    guard
      case .select(.binary(.less, .variable(input), .integer(let border)), let a, let b) = pixel,
      border % lanes == 0, (1..<form.input.extent).contains(border)
    else { return store(placed(pixel)) }
    // Within its branch each image's channel needs no bounds any more.
    let low = a.simplified([input: Interval(0, border - 1)])
    let high = b.simplified([input: Interval(border, form.input.extent - 1)])
    let second = names.renamed(store(placed(high)))
    return guarded([less(channel, border)], store(placed(low)), otherwise: second)
  }

  /// The threads take `count` units in turns.
  func overUnits(
    _ count: Int, _ thread: Expression,
    _ body: (Expression) -> [Statement]
  ) -> [Statement] {
    let turns = (count + tile.threads - 1) / tile.threads
    let (turn, unit) = (names.fresh("turn"), names.fresh("unit"))
    var statements = body(.variable(unit))
    if count % tile.threads != 0 {
      statements = guarded([less(.variable(unit), count)], statements)
    }
    let value = .variable(turn) * .integer(tile.threads) + thread
    return [
      .loop(
        Loop(
          turn, .integer(0), .integer(turns), kind: turns <= 8 ? .unrolled : .serial,
          body: [.bind(unit, value)] + statements))
    ]
  }
}
