import LoopIR

/// A long sum over the rows and columns of images, in two or three launches: parts of it, then the sum of the parts.
///
/// ```
/// for n, c, ky, kx { sum = 0; for image, row, column { if inside { sum = update } }; tail(sum) }
/// ```
/// becomes
/// ```
/// for g, b, n, ky, kx, c { sum = 0; for images of group g, rows of block b, column { ... }; part[g, b, n, ky, kx, c] = sum }
/// for g, n, ky, kx, c { sum = 0; for b { sum = sum + part[g, b, ...] }; group[g, n, ky, kx, c] = sum }
/// for n, c, ky, kx { sum = 0; for g { sum = sum + group[g, ...] }; tail(sum) }
/// ```
/// and is without the second nest where there is one block or one group. One thread for each element of a convolution's
/// kernel would leave the GPU idle, and its long sum would round as often as it has terms.
struct SumInParts {
  /// Groups of images, and blocks of each image's rows.
  let groups: Int
  let blocks: Int
  /// Parts [group, block, dimensions of the result...], then those of groups where there are several of both.
  private(set) var buffers: [Buffer] = []
  /// The result's dimensions in the parts' order.
  let order: [LoopNest.Dimension]
  private let kernel: Kernel
  private let nest: ReductionNest
  private var names: NameSupply

  /// Sums of fewer terms stay as they are, and parts have no fewer.
  private static let fewestTerms = 64

  /// As few parts as are at least `wanted`, or one, of about so many rows at least; nil where the kernel is no such sum.
  init?(_ kernel: Kernel, wanted: Int, rows: Int = 1) {
    guard let nest = Self.nest(of: kernel) else { return nil }
    let extents = nest.reductions.map(\.extent)
    let most = extents.reduce(1, *) / Self.fewestTerms
    let parts = max(1, min(wanted, most))
    groups = Self.divisor(of: extents[0], atLeast: parts)
    blocks = Self.divisor(
      of: extents[1], atLeast: min((parts + groups - 1) / groups, extents[1] / rows))
    self.kernel = kernel
    self.nest = nest
    order = Self.order(of: nest.outer.dimensions)
    names = NameSupply(kernel)
    for name in kernel.body.definedNames { _ = names.fresh(name) }
    for name in ["part", "group"].prefix(groups > 1 && blocks > 1 ? 2 : 1) {
      let outer = name == "part" ? [groups, blocks] : [groups]
      buffers.append(
        Buffer(
          names.fresh(name), nest.accumulator.element, extents: outer + order.map(\.extent),
          alignment: PlanMemory.alignment))
    }
  }

  /// As many parts as give the GPU enough threads, where each has an element of a part.
  init?(_ kernel: Kernel, _ gpu: GPU) {
    guard let nest = Self.nest(of: kernel) else { return nil }
    let elements = nest.outer.dimensions.reduce(1) { $0 * $1.extent }
    let threads = gpu.multiprocessors * Self.threadsWanted
    self.init(kernel, wanted: (threads + elements - 1) / elements)
  }

  /// For each multiprocessor.
  private static let threadsWanted = 2048

  var count: Int { groups * blocks }

  /// A sum over images, rows and columns, with nothing but zero to start from; convolutions are none.
  static func nest(of kernel: Kernel) -> ReductionNest? {
    guard let nest = ReductionNest(kernel), nest.isSum, nest.reductions.count == 3,
      nest.initial == .real(0, nest.accumulator.element), StagedConvolution(kernel) == nil,
      nest.reductions.reduce(1, { $0 * $1.extent }) >= 2 * fewestTerms
    else { return nil }
    return nest
  }

  /// Channels of pixels innermost, so that neighbouring threads read neighbouring ones.
  private static func order(of outer: [LoopNest.Dimension]) -> [LoopNest.Dimension] {
    guard outer.count == 4 else { return outer }
    let places = outer[1].extent > 1 ? [0, 2, 3, 1] : [1, 2, 3, 0]
    return places.map { outer[$0] }
  }

  private static func divisor(of count: Int, atLeast wanted: Int) -> Int {
    (1...count).first { count % $0 == 0 && $0 >= wanted } ?? count
  }
}

// MARK: Kernels

extension SumInParts {
  /// The parts as plain loops; the last parameter is their buffer.
  func parts() -> Kernel {
    var names = names
    let (group, block) = (names.fresh("g"), names.fresh("b"))
    let place = [group, block].map(Expression.variable) + order.map { .variable($0.name) }
    let ranges = [
      nest.reductions[0].name: (Expression.variable(group), groups),
      nest.reductions[1].name: (.variable(block), blocks),
    ]
    let body = summed(over: nest.steps[...], ranges, &names)
    return parts(
      nested(
        [.init(name: group, extent: groups), .init(name: block, extent: blocks)] + order,
        body + [.store(buffers[0].name, place, total)]))
  }

  /// The kernel of the parts by what its body is.
  func parts(_ body: [Statement]) -> Kernel {
    var result = kernel
    result.name += "_parts"
    let read = nest.update.loadedBuffers
    result.parameters = kernel.parameters.filter { read.contains($0.buffer.name) }
    result.parameters.append(KernelParameter(buffers[0], .write))
    result.body = body
    return result
  }

  /// What sums the parts up; the last parameter of each is its result.
  func totals() -> [Kernel] {
    var names = names
    let (group, block) = (names.fresh("g"), names.fresh("b"))
    let dimensions = [
      LoopNest.Dimension(name: group, extent: groups), .init(name: block, extent: blocks),
    ]
    let own = order.map { Expression.variable($0.name) }
    func sum(_ source: Buffer, _ outer: [LoopNest.Dimension], over inner: [LoopNest.Dimension])
      -> [Statement]
    {
      let place = (outer + inner).map { Expression.variable($0.name) } + own
      return start + nested(inner, [add(.load(source.name, place))])
    }
    var last = kernel
    last.name += "_total"
    let used = nest.tail.loadedBuffers
    last.parameters = kernel.parameters.filter {
      $0.access.writes || used.contains($0.buffer.name)
    }
    let source = buffers[buffers.count - 1]
    last.parameters.insert(KernelParameter(source, .read), at: last.parameters.count - 1)
    let rest = buffers.count == 2 ? [dimensions[0]] : dimensions
    last.body = nested(nest.outer.dimensions, sum(source, [], over: rest) + nest.tail)
    guard buffers.count == 2 else { return [last] }
    var middle = kernel
    middle.name += "_groups"
    middle.parameters = [KernelParameter(buffers[0], .read), KernelParameter(buffers[1], .write)]
    let place = [.variable(group)] + own
    middle.body = nested(
      [dimensions[0]] + order,
      sum(buffers[0], [dimensions[0]], over: [dimensions[1]])
        + [.store(buffers[1].name, place, total)])
    return [middle, last]
  }

  private var total: Expression { .load(nest.accumulator.name, []) }

  private var start: [Statement] {
    [.allocate(nest.accumulator), .store(nest.accumulator.name, [], nest.initial)]
  }

  private func add(_ term: Expression) -> Statement {
    .store(nest.accumulator.name, [], total + term)
  }

  private func nested(
    _ dimensions: [LoopNest.Dimension], _ body: [Statement]
  ) -> [Statement] {
    dimensions.reversed().reduce(body) { body, dimension in
      [.loop(Loop(dimension.name, .integer(0), .integer(dimension.extent), body: body))]
    }
  }

  /// The sum's loops and conditions; of a loop with a range, the iterations of one of so many equal parts.
  private func summed(
    over steps: ArraySlice<ReductionNest.Step>,
    _ ranges: [String: (number: Expression, count: Int)], _ names: inout NameSupply
  ) -> [Statement] {
    func inner(_ steps: ArraySlice<ReductionNest.Step>) -> [Statement] {
      guard let step = steps.first else {
        return [.store(nest.accumulator.name, [], nest.update)]
      }
      let body = inner(steps.dropFirst())
      switch step {
      case .condition(let condition):
        return [.conditional(condition, then: body, otherwise: [])]
      case .loop(let loop):
        guard let range = ranges[loop.name], range.count > 1 else { return nested([loop], body) }
        let count = loop.extent / range.count
        let within = names.fresh(loop.name)
        let value = range.number * .integer(count) + .variable(within)
        return nested(
          [.init(name: within, extent: count)], [.bind(loop.name, value)] + body)
      }
    }
    return start + inner(steps)
  }
}
