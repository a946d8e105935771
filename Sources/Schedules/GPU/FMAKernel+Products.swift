import LoopIR

/// Sums of products out of shared memory, with everything else in registers.
extension FMAKernel {
  /// Input channels whose pixels are loaded together.
  private var step: Int { largestDivisor(of: tile.inputs, atMost: 4) }

  /// Sums of more products than this are added up in parts, if they are in float32.
  private static let shortSum = 32
  private static let unrollLimit = 7

  /// Adds the chunk's products to the thread's sums.
  func accumulate() -> [Statement] { [perThread(addChunk)] }

  private func addChunk(_ thread: Expression) -> [Statement] {
    let count = form.kernelRow.extent * form.kernelColumn.extent * form.input.extent
    guard sum.element == .f32, count > Self.shortSum else {
      return overSteps { products(thread, of: $0, $1, to: sum, [thread]) }
    }
    let part = Buffer(
      names.fresh("part"), sum.element, extents: [tile.rows, tile.channels], space: .register)
    let clear = overResults { [.store(part.name, [$0, $1], .real(0, part.element))] }
    let inner = overSteps { products(thread, of: $0, $1, to: part, []) }
    let add = overResults { row, lane in
      let place = [thread, row, lane]
      return [.store(sum.name, place, .load(sum.name, place) + .load(part.name, [row, lane]))]
    }
    return [.allocate(part)] + clear + inner + add
  }

  /// Loops over the kernel's columns and the chunk's channels, a few channels at a time.
  private func overSteps(
    _ body: (_ kernelColumn: Expression, _ first: Expression) -> [Statement]
  ) -> [Statement] {
    let (column, group) = (names.fresh(form.kernelColumn.name), names.fresh("group"))
    let inner = body(.variable(column), .variable(group) * .integer(step))
    let channels = Loop(group, .integer(0), .integer(tile.inputs / step), body: inner)
    return [
      .loop(
        Loop(column, .integer(0), .integer(form.kernelColumn.extent), body: [.loop(channels)]))
    ]
  }

  /// The products of one kernel column and a few channels: a pixel is used for all kernel rows that see it.
  private func products(
    _ thread: Expression, of kernelColumn: Expression, _ first: Expression, to total: Buffer,
    _ prefix: [Expression]
  ) -> [Statement] {
    let place = position(thread)
    let (input, kernelRow) = (names.fresh(form.input.name), names.fresh(form.kernelRow.name))
    let channel = first + .variable(input)
    let update = overResults { row, lane in
      let pixel = Expression.load(
        pixels.name,
        [
          .variable(at.slot), (place.row + row) * .integer(form.strideY) + .variable(kernelRow),
          place.column * .integer(form.strideX) + kernelColumn, channel,
        ])
      let weight = Expression.load(
        weights.name,
        [weightSlot, .variable(kernelRow), kernelColumn, channel, place.channel + lane])
      let index = prefix + [row, lane]
      return [.store(total.name, index, .fma(pixel, weight, .load(total.name, index)))]
    }
    let kind: LoopKind = form.kernelRow.extent <= Self.unrollLimit ? .unrolled : .serial
    let rows = Loop(
      kernelRow, .integer(0), .integer(form.kernelRow.extent), kind: kind, body: update)
    return unrolled(input, step, [.loop(rows)])
  }
}
