import LoopIR

/// Chunks of rows and columns of a part's images, and their way to shared memory.
extension GradientKernel {
  /// Rows of a part, and chunks of them, of columns, and of the part's images together.
  private var rows: Int { form.row.extent / sum.blocks }
  private var chunkRows: Int { (rows + tile.height - 1) / tile.height }
  private var chunkColumns: Int { (form.column.extent + tile.width - 1) / tile.width }
  private var chunks: Int { form.image.extent / sum.groups * chunkRows * chunkColumns }

  func overChunks() -> [Statement] {
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
    let lanes = largestDivisor(of: shared.extents[3], atMost: form.kernel.lanes(of: value))
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
