import LoopIR

/// Copies of pixels into shared memory.
extension StagedKernel {
  /// The chunk's channels of every pixel that the block sees; zero outside of the image.
  func stagePixels(_ thread: Expression) -> [Statement] {
    let widest = form.lanes(of: form.pixel)
    let lanes = [widest, 4].first { tile.inputs % $0 == 0 } ?? 1
    let units = tile.inputs / lanes
    let (rows, columns) = (pixels.extents[0], pixels.extents[1])
    func place(_ unit: Expression) -> (row: Expression, column: Expression, channel: Expression) {
      let (group, rest) = split(unit, by: units)
      let (column, row) = split(rest, by: columns)
      return (row, column, group * .integer(lanes))
    }
    return copyUnits(rows * columns * units, of: lanes, thread, to: pixels) { unit, keep in
      let (row, column, own) = place(unit)
      let channel = .variable(at.chunk) * .integer(tile.inputs) + own
      let pixel = form.pixel.substituting(values(row: row, column: column))
      return guarded(
        inside(row: row, column: column), load(pixel, channel: channel, lanes: lanes, keep),
        otherwise: keep { _ in .real(0, form.nest.accumulator.element) })
    } place: { unit, lane in
      let (row, column, own) = place(unit)
      return [row, column, own + lane]
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

  /// Keeps lanes of a pixel; a selection between two images by the channel becomes a branch, where no vector of
  /// lanes lies across the border.
  private func load(
    _ pixel: Expression, channel: Expression, lanes: Int,
    _ keep: ((_ lane: Expression) -> Expression) -> [Statement]
  ) -> [Statement] {
    let input = form.input.name
    func placed(_ expression: Expression) -> [Statement] {
      keep { expression.substituting(input, with: channel + $0) }
    }
    guard
      case .select(.binary(.less, .variable(input), .integer(let border)), let a, let b) = pixel,
      border % lanes == 0, (1..<form.input.extent).contains(border)
    else { return placed(pixel) }
    // Within its branch each image's channel needs no bounds any more.
    let low = a.simplified([input: Interval(0, border - 1)])
    let high = b.simplified([input: Interval(border, form.input.extent - 1)])
    return guarded([less(channel, border)], placed(low), otherwise: placed(high))
  }

  /// The threads copy `count` units of neighbouring elements into a shared buffer, in turns. All of a batch are read
  /// before the first is stored: then they wait for memory together.
  ///
  /// - Parameters:
  ///   - read: Reads a unit; what it hands to `keep` makes the value of a lane.
  ///   - place: Where the element of a unit and a lane is stored.
  func copyUnits(
    _ count: Int, of lanes: Int, _ thread: Expression, to shared: Buffer,
    read: (
      _ unit: Expression, _ keep: (_ value: (_ lane: Expression) -> Expression) -> [Statement]
    ) -> [Statement],
    place: (_ unit: Expression, _ lane: Expression) -> [Expression]
  ) -> [Statement] {
    let turns = (count + tile.threads - 1) / tile.threads
    let batches = (turns + Self.mostTurns - 1) / Self.mostTurns
    let batch = (turns + batches - 1) / batches
    let first = names.fresh("batch")
    let held = Buffer(
      names.fresh("held"), form.nest.accumulator.element, extents: [batch, lanes], space: .register)

    func overUnits(_ body: (_ unit: Expression, _ turn: Expression) -> [Statement]) -> [Statement] {
      let (turn, unit) = (names.fresh("turn"), names.fresh("unit"))
      var statements = body(.variable(unit), .variable(turn))
      if count % (batches * batch * tile.threads) != 0 {
        statements = guarded([less(.variable(unit), count)], statements)
      }
      let index =
        (.variable(first) * .integer(batch) + .variable(turn)) * .integer(tile.threads) + thread
      return unrolled(turn, batch, [.bind(unit, index)] + statements)
    }
    let reads = overUnits { unit, turn in
      read(unit) { value in
        let lane = names.fresh("l")
        return vector(
          lane, lanes, [.store(held.name, [turn, .variable(lane)], value(.variable(lane)))])
      }
    }
    let stores = overUnits { unit, turn in
      let lane = names.fresh("l")
      let value = staged(.load(held.name, [turn, .variable(lane)]))
      return vector(lane, lanes, [.store(shared.name, place(unit, .variable(lane)), value)])
    }
    return [
      .loop(Loop(first, .integer(0), .integer(batches), body: [.allocate(held)] + reads + stores))
    ]
  }

  /// Units that a thread reads at once: more would take too many registers.
  private static var mostTurns: Int { 9 }
}
