import LoopIR

/// A chunk of input channels of a tile of pixels: which one, and in which part of the shared buffers it is.
struct StagedChunk {
  var place: TilePlace
  var number: Expression
  var slot: Expression
}

/// Neighbouring channels of a chunk: which run of so many.
struct StagedRun {
  var number: Expression
  var lanes: Int

  var first: Expression { number * .integer(lanes) }
}

// MARK: Pixels

extension StagedKernel {
  /// The chunk's channels of every pixel that the block sees; zero outside of the image.
  func pixelUnits(_ chunk: StagedChunk) -> StagedUnits {
    let widest = form.kernel.lanes(of: form.pixel)
    return pixelUnits(chunk, lanes: [widest, 4].first { tile.inputs % $0 == 0 } ?? 1)
  }

  private func pixelUnits(_ chunk: StagedChunk, lanes: Int) -> StagedUnits {
    let units = tile.inputs / lanes
    let (rows, columns) = (tile.stagedRows(form), tile.stagedColumns(form))
    func place(_ unit: Expression) -> (row: Expression, column: Expression, run: StagedRun) {
      let (group, rest) = split(unit, by: units)
      let (column, row) = split(rest, by: columns)
      return (row, column, StagedRun(number: group, lanes: lanes))
    }
    return StagedUnits(count: rows * columns * units, lanes: lanes, shared: pixels) { unit, lane in
      let (row, column, run) = place(unit)
      return self.pixelPlace(chunk.slot, row, column, run, lane)
    } inside: { unit in
      let (row, column, _) = place(unit)
      return self.inside(chunk.place, row: row, column: column)
    } values: { unit in
      let (row, column, run) = place(unit)
      let pixel = self.form.pixel.substituting(
        self.values(chunk.place, row: row, column: column))
      let channel = chunk.number * .integer(self.tile.inputs) + run.first
      return self.values(of: pixel, channel: channel, lanes: lanes)
    }
  }

  /// What the nest's variables are at a staged pixel.
  private func values(
    _ place: TilePlace, row: Expression, column: Expression
  ) -> [String: Expression] {
    [
      form.image.name: .variable(place.image), form.row.name: .variable(place.firstRow),
      form.column.name: .variable(place.firstColumn), form.kernelRow.name: row,
      form.kernelColumn.name: column,
    ]
  }

  /// The padding's conditions, and that some result inside of the image sees the pixel.
  private func inside(
    _ place: TilePlace, row: Expression, column: Expression
  ) -> [Expression] {
    let values = values(place, row: row, column: column)
    var conditions = form.nest.conditions.map { $0.substituting(values) }
    if form.row.extent % tile.height != 0 {
      let rows = (form.row.extent - 1) * form.strideY + form.kernelRow.extent
      conditions.append(less(.variable(place.firstRow) * .integer(form.strideY) + row, rows))
    }
    if form.column.extent % tile.width != 0 {
      let columns = (form.column.extent - 1) * form.strideX + form.kernelColumn.extent
      conditions.append(
        less(.variable(place.firstColumn) * .integer(form.strideX) + column, columns))
    }
    return conditions
  }

  /// A selection between two images by the channel becomes a branch, where no vector of lanes lies across the border.
  private func values(
    of pixel: Expression, channel: Expression, lanes: Int
  ) -> StagedValues {
    let input = form.input.name
    func placed(_ expression: Expression) -> (Expression) -> Expression {
      { expression.substituting(input, with: channel + $0) }
    }
    guard
      case .select(.binary(.less, .variable(input), .integer(let border)), let a, let b) = pixel,
      border % lanes == 0, (1..<form.input.extent).contains(border)
    else { return StagedValues(low: placed(pixel)) }
    // Within its branch each image's channel needs no bounds any more.
    let low = a.simplified([input: Interval(0, border - 1)])
    let high = b.simplified([input: Interval(border, form.input.extent - 1)])
    return StagedValues(low: placed(low), choice: (less(channel, border), placed(high)))
  }
}
