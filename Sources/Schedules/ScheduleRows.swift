import LoopIR

/// Schedules sums along neighbours in memory, where there are many of them, and largest elements: threads share the results,
/// and a few vectors the elements of each.
///
/// ```
/// for i { sum = a; for j { sum = sum + x[i, j] }; tail(sum) }
/// ```
/// becomes
/// ```
/// parallel for i {
///   vectorized l { part[l] = 0 }; for j.o { vectorized l { part[l] = part[l] + x[i, j.o L + l] } }
///   vectorized l < L/2 { part[l] = part[l] + part[l + L/2] }; ...
///   sum = a + part[0]; tail(sum)
/// }
/// ```
/// Sums differ from the plain order by rounding only.
struct ScheduleRows {
  private let kernel: Kernel
  private let nest: ReductionNest
  private let loop: LoopNest.Dimension
  private let operation: BinaryOperator
  private let lanes: Int
  /// Lanes of all vectors of one step, a power of two.
  private let step: Int
  private var names: NameSupply

  /// Vectors that are added up beside each other: as many as hide the time that an addition takes.
  private static let vectors = 4

  /// Nil where the kernel is of another form, or has few sums and threads are to share it.
  init?(_ kernel: Kernel, _ target: Target, isPart: Bool = false) {
    guard let nest = ReductionNest(kernel), nest.conditions.isEmpty,
      case .binary(let operation, .load(nest.accumulator.name, _), let term) = nest.update,
      operation == .maximum
        || operation == .add && (isPart || nest.hasManyResults) && nest.reductions.count == 1,
      let loop = nest.reductions.last
    else { return nil }
    lanes = CostModel(target: target).lanes(nest.accumulator.element)
    guard loop.extent >= lanes, !term.loadedBuffers.contains(nest.accumulator.name),
      kernel.strides(of: loop.name, in: term).isSubset(of: [0, 1]),
      kernel.strides(of: loop.name, in: term).contains(1)
    else { return nil }
    (self.kernel, self.nest, self.loop, self.operation) = (kernel, nest, loop, operation)
    var vectors = Self.vectors
    while vectors * lanes > loop.extent { vectors /= 2 }
    step = vectors * lanes
    names = NameSupply(kernel)
    for name in kernel.body.definedNames { _ = names.fresh(name) }
  }

  mutating func scheduled() -> Kernel {
    let part = Buffer(
      names.fresh("part"), nest.accumulator.element, extents: [step], space: .register)
    let row = names.fresh("p")
    let results = nest.outer.dimensions.reduce(1) { $0 * $1.extent }
    let first = operation == .add ? Expression.real(0, part.element) : nest.initial
    var body = [LoopNest.Dimension].places(.variable(row), nest.outer.dimensions)
    body += [.allocate(part), .allocate(nest.accumulator)]
    body += vectors(step) { .store(part.name, [$0], first) }
    body += nest.reductions.dropLast().reversed().reduce(accumulate(part)) { inner, dimension in
      [.loop(Loop(dimension.name, .integer(0), .integer(dimension.extent), body: inner))]
    }
    body += combine(part)
    body.append(
      .store(
        nest.accumulator.name, [],
        .binary(operation, nest.initial, .load(part.name, [.integer(0)]))))
    var result = kernel
    result.body = [
      Statement.loop(
        Loop(row, .integer(0), .integer(results), kind: .parallel, body: body + nest.tail))
    ].simplified()
    return result
  }

  /// The row's elements: in whole steps, then in whole vectors, then what is left.
  private mutating func accumulate(_ part: Buffer) -> [Statement] {
    let own = self
    func add(_ count: Int, from first: Expression) -> [Statement] {
      vectors(count) { own.update(part, $0, first + $0) }
    }
    let block = names.fresh("\(loop.name).o")
    let whole = add(step, from: .variable(block) * .integer(step))
    let blocks = loop.extent / step
    let rest = (loop.extent - blocks * step) / lanes * lanes
    let end = blocks * step + rest
    return [.loop(Loop(block, .integer(0), .integer(blocks), body: whole))]
      + add(rest, from: .integer(blocks * step)) + add(loop.extent - end, from: .integer(end))
  }

  /// A lane's part after one more element.
  private func update(_ part: Buffer, _ lane: Expression, _ element: Expression) -> Statement {
    let value = nest.update.mapExpressions {
      if case .load(nest.accumulator.name, _) = $0 { return .load(part.name, [lane]) }
      return $0
    }
    return .store(part.name, [lane], value.substituting(loop.name, with: element))
  }

  /// All parts in the first, in a tree.
  private mutating func combine(_ part: Buffer) -> [Statement] {
    let operation = operation
    var statements: [Statement] = []
    var width = step / 2
    while width >= 1 {
      let upper = Expression.integer(width)
      statements += vectors(width) {
        .store(
          part.name, [$0],
          .binary(operation, .load(part.name, [$0]), .load(part.name, [$0 + upper])))
      }
      width /= 2
    }
    return statements
  }

  /// An unrolled loop over whole vectors of so many lanes, or one shorter vector.
  private mutating func vectors(
    _ count: Int, _ body: (_ lane: Expression) -> Statement
  ) -> [Statement] {
    if count == 0 { return [] }
    let (v, l) = (names.fresh("v"), names.fresh("l"))
    let width = min(count, lanes)
    let place = .variable(v) * .integer(width) + .variable(l)
    let lane = Loop(l, .integer(0), .integer(width), kind: .vectorized, body: [body(place)])
    return [
      .loop(Loop(v, .integer(0), .integer(count / width), kind: .unrolled, body: [.loop(lane)]))
    ]
  }
}
