import LoopIR

/// Sums over whole images on GPUs, in two launches: each row by a thread of its own, then the rows.
///
/// ```
/// for n, c { sum = 0; for y, x { sum = sum + term }; tail(sum) }
/// ```
/// becomes
/// ```
/// for y, n, c { sum = 0; for x { sum = sum + term }; part[y, n, c] = sum }
/// for n, c { sum = 0; for y { sum = sum + part[y, n, c] }; tail(sum) }
/// ```
/// One thread for each channel would leave the GPU idle, and its long sum would round as often as it has terms.
enum SumByRows {
  /// Sums of fewer terms stay as they are.
  private static let fewestTerms = 256

  static func apply(to module: LoopModule) -> LoopModule {
    var result = module
    result.run = []
    for statement in module.run {
      guard case .call(let name, let arguments) = statement,
        let kernel = module.kernel(named: name), let sum = RowSum(kernel, atLeast: fewestTerms)
      else {
        result.run.append(statement)
        continue
      }
      let part = result.addTemporary(sum.buffer)
      let names = kernel.parameters.map(\.buffer.name)
      let places = Dictionary(uniqueKeysWithValues: zip(names, arguments))
      for kernel in [sum.rows, sum.total] {
        let own = kernel.parameters.map { places[$0.buffer.name] ?? part }
        result.run.append(.call(result.share(kernel), own))
      }
    }
    result.dropUncalled(since: module)
    return result
  }
}

/// A sum as two kernels, with a buffer between them.
private struct RowSum {
  /// Its last parameter is the buffer.
  private(set) var rows: Kernel
  /// Its last parameter is the sum's result.
  private(set) var total: Kernel
  /// [dimensions of rows..., dimensions of the result...]: neighbouring threads read neighbouring channels.
  let buffer: Buffer

  /// Nil where the kernel is no sum over several dimensions, or a short one; convolutions are not taken.
  init?(_ kernel: Kernel, atLeast terms: Int) {
    guard let nest = ReductionNest(kernel), nest.isSum, nest.conditions.isEmpty,
      nest.outer.dimensions.count < 4, nest.reductions.count > 1,
      nest.reductions.reduce(1, { $0 * $1.extent }) >= terms,
      nest.initial == .real(0, nest.accumulator.element), let row = nest.reductions.last
    else { return nil }
    var names = NameSupply(kernel)
    for name in kernel.body.definedNames { _ = names.fresh(name) }
    let around = nest.reductions.dropLast()
    let dimensions = around + nest.outer.dimensions
    let buffer = Buffer(
      names.fresh("part"), nest.accumulator.element, extents: dimensions.map(\.extent),
      alignment: PlanMemory.alignment)
    let place = dimensions.map { Expression.variable($0.name) }
    let sum = Expression.load(nest.accumulator.name, [])

    func nested(_ dimensions: [LoopNest.Dimension], _ body: [Statement]) -> [Statement] {
      dimensions.reversed().reduce(body) { body, dimension in
        [.loop(Loop(dimension.name, .integer(0), .integer(dimension.extent), body: body))]
      }
    }
    func summed(_ dimensions: [LoopNest.Dimension], _ update: Expression) -> [Statement] {
      let add = Statement.store(nest.accumulator.name, [], update)
      return [.allocate(nest.accumulator), .store(nest.accumulator.name, [], nest.initial)]
        + nested(dimensions, [add])
    }
    rows = kernel
    rows.name += "_rows"
    let read = nest.update.loadedBuffers
    rows.parameters = kernel.parameters.filter { read.contains($0.buffer.name) }
    rows.parameters.append(KernelParameter(buffer, .write))
    rows.body = nested(
      Array(dimensions), summed([row], nest.update) + [.store(buffer.name, place, sum)])
    total = kernel
    total.name += "_total"
    let used = nest.tail.loadedBuffers
    total.parameters = kernel.parameters.filter {
      $0.access.writes || used.contains($0.buffer.name)
    }
    total.parameters.insert(KernelParameter(buffer, .read), at: total.parameters.count - 1)
    total.body = nested(
      nest.outer.dimensions,
      summed(Array(around), sum + .load(buffer.name, place)) + nest.tail)
    self.buffer = buffer
  }
}
