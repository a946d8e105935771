import LoopIR

/// Lets kernels of independent elements add up what later calls sum over their results, row by row (`PartialSums`).
///
/// ```
/// parallel for rows of all images { for x { for c { out[n, c, y, x] = ... } }; add up the row }
/// ```
enum SumRows {
  /// Vectors of fewer lanes are not worth it.
  private static let fewestLanes = 4

  static func apply(to module: LoopModule, target: Target) -> LoopModule {
    var result = module
    let cost = CostModel(target: target)
    for kernel in module.kernels
    where module.run.call(kernel.name) && !module.prepare.call(kernel.name) {
      guard let nest = nest(kernel) else { continue }
      let lanes = cost.lanes(dividing: nest.dimensions[1].extent)
      guard lanes >= fewestLanes else { continue }
      result.replaceCalls(of: kernel, lanes: lanes) { work in
        guard !work.sums.isEmpty, var pointwise = SchedulePointwise(kernel, target) else {
          return nil
        }
        return pointwise.summed(work.sums, nest, lanes: lanes)
      }
    }
    result.dropUncalled(since: module)
    return result
  }

  /// The loops over image, channel, row and column that write the kernel's one result; nil for other kernels.
  private static func nest(_ kernel: Kernel) -> LoopNest? {
    guard kernel.body.count == 1, let nest = LoopNest(kernel.body[0]), nest.writesOnlyOwnElement(),
      nest.dimensions.count == 4, let result = kernel.parameters.last?.buffer,
      result.element == .f32, result.extents == nest.dimensions.map(\.extent),
      result.strides[1] == 1
    else { return nil }
    return nest.elementOfPlace == nil ? nil : nest
  }
}

extension SchedulePointwise {
  /// The kernel with sums over each row of its result.
  fileprivate mutating func summed(
    _ sums: [ResultSum], _ nest: LoopNest, lanes: Int
  ) -> WorkingKernel {
    let (image, channel, row, column) = (
      nest.dimensions[0], nest.dimensions[1], nest.dimensions[2], nest.dimensions[3]
    )
    var result = kernel
    let rows = image.extent * row.extent
    let (p, x) = (names.fresh("p"), names.fresh("x"))
    let partial = PartialSums(
      sums, of: result.parameters[result.parameters.count - 1].buffer, parts: rows, &names)
    let pixels = vectorized(channel, nest.body)
    func overColumns(_ variable: String, _ body: [Statement]) -> [Statement] {
      [.loop(Loop(variable, .integer(0), .integer(column.extent), body: body))]
    }
    let loops = PartialSums.Loops(
      blocks: { $0 }, pixels: { overColumns(x, $0) },
      pixel: [.variable(image.name), .variable(row.name), .variable(x)])
    let (block, vectors) = (names.fresh("cb"), channel.extent / lanes)
    // As many accumulators as stay in registers.
    let together = (1...4).last { vectors % $0 == 0 } ?? 1
    let channels = PartialSums.Channels(
      first: .variable(block) * .integer(together * lanes), vectors: together, lanes: lanes)
    let added = partial.statements(part: .variable(p), channels, over: loops, &names)
    let addedUp = Statement.loop(
      Loop(block, .integer(0), .integer(vectors / together), body: added))
    let place: [Statement] = [
      .bind(image.name, .binary(.divide, .variable(p), .integer(row.extent))),
      .bind(row.name, .binary(.remainder, .variable(p), .integer(row.extent))),
    ]
    result.name += "_summed"
    result.parameters.insert(contentsOf: partial.parameters, at: result.parameters.count - 1)
    result.body = [
      Statement.loop(
        Loop(
          p, .integer(0), .integer(rows), kind: .parallel,
          body: place + overColumns(column.name, pixels) + [addedUp]))
    ].simplified()
    return WorkingKernel(kernel: result, parts: partial.parts)
  }
}
