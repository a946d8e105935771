import LoopIR

/// Blocks of columns that are copied to the stack.
extension ScheduleProduct {
  /// For a block's columns: [loops of the sum..., column].
  mutating func panel() -> Buffer {
    Buffer(
      names.fresh("panel"), form.nest.accumulator.element,
      extents: form.nest.reductions.map(\.extent) + [plan.columns], alignment: PlanMemory.alignment,
      space: .stack)
  }

  /// Copies the vector factor's elements for these columns.
  mutating func pack(_ columns: Columns, into panel: Buffer?) -> [Statement] {
    guard let panel else { return [] }
    let along = form.nest.reductions.first {
      $0.extent > 1 && kernel.stride(of: $0.name, in: plan.vector.value) == 1
    }
    if let along, columns.extent.count > 1,
      kernel.stride(of: across.name, in: plan.vector.value) != 1
    {
      return packTransposed(columns, along, into: panel)
    }
    let own = self
    let copy = overVectors(columns) { own.store(own.plan.vector.value, $0, columns, panel) }
    return around(form.nest.reductions, copy)
  }

  private func store(
    _ value: Expression, _ column: Expression, _ columns: Columns, _ panel: Buffer
  ) -> Statement {
    let place = form.nest.reductions.map { Expression.variable($0.name) }
    return .store(
      panel.name, place + [column],
      value.substituting(across.name, with: columns.extent.base + column))
  }

  /// By tiles that are read along the sum's loop and written along the columns.
  private mutating func packTransposed(
    _ columns: Columns, _ along: LoopNest.Dimension, into panel: Buffer
  ) -> [Statement] {
    let others = form.nest.reductions.filter { $0 != along }
    let width = min(plan.lanes, along.extent)
    let block = names.fresh("\(along.name).o")
    let whole = along.extent / width
    let inner = transposed(columns, along, .variable(block) * .integer(width), width, panel)
    var body: [Statement] = [.loop(Loop(block, .integer(0), .integer(whole), body: inner))]
    let rest = along.extent % width
    if rest > 0 {
      body += transposed(columns, along, .integer(whole * width), rest, panel)
    }
    return around(others, body)
  }

  private mutating func transposed(
    _ columns: Columns, _ along: LoopNest.Dimension, _ first: Expression, _ width: Int,
    _ panel: Buffer
  ) -> [Statement] {
    let tile = Buffer(
      names.fresh("tile"), panel.element, extents: [columns.extent.count, width], space: .stack)
    let (column, place, element) = (names.fresh("c"), names.fresh("l"), names.fresh("x"))
    let value = plan.vector.value.substituting([
      across.name: columns.extent.base + .variable(column), along.name: first + .variable(place),
    ])
    let lane = Loop(
      place, .integer(0), .integer(width), kind: .vectorized,
      body: [.store(tile.name, [.variable(column), .variable(place)], value)])
    let read = Loop(column, .integer(0), .integer(columns.extent.count), body: [.loop(lane)])
    let own = self
    let copy = overVectors(columns) {
      own.store(.load(tile.name, [$0, .variable(element)]), $0, columns, panel)
    }.map { $0.substituting(along.name, with: first + .variable(element)) }
    let write = Loop(element, .integer(0), .integer(width), body: copy)
    return [.allocate(tile), .loop(read), .loop(write)]
  }

  /// An unrolled loop over the block's vectors around one over lanes.
  private mutating func overVectors(
    _ columns: Columns, _ body: (_ column: Expression) -> Statement
  ) -> [Statement] {
    let (v, l) = (names.fresh("v"), names.fresh("l"))
    let column = .variable(v) * .integer(columns.lanes) + .variable(l)
    let lane = Loop(
      l, .integer(0), .integer(columns.lanes), kind: .vectorized, body: [body(column)])
    let vectors = columns.extent.count / columns.lanes
    return [
      .loop(Loop(v, .integer(0), .integer(vectors), kind: .unrolled, body: [.loop(lane)]))
    ]
  }

  private func around(
    _ dimensions: [LoopNest.Dimension], _ body: [Statement]
  ) -> [Statement] {
    dimensions.reversed().reduce(body) { inner, dimension in
      [.loop(Loop(dimension.name, .integer(0), .integer(dimension.extent), body: inner))]
    }
  }
}
