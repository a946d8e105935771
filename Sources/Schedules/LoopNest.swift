import LoopIR

/// A perfect nest of loops from 0 to a constant, as the lowering of an operation writes it.
struct LoopNest {
  struct Dimension: Hashable {
    var name: String
    var extent: Int
  }

  /// Outermost first.
  var dimensions: [Dimension]
  var body: [Statement]

  /// No loop at all: the result is one element.
  init(scalar body: [Statement]) {
    dimensions = []
    self.body = body
  }

  /// Nil where the statement is no such nest, or one whose iterations cannot be counted.
  init?(_ statement: Statement) {
    dimensions = []
    body = [statement]
    while body.count == 1, case .loop(let loop) = body[0], case .integer(0) = loop.lower,
      let extent = loop.constantExtent, loop.kind == .serial
    {
      dimensions.append(Dimension(name: loop.variable, extent: extent))
      body = loop.body
    }
    if dimensions.isEmpty || !Self.isCountable(dimensions) { return nil }
  }

  /// Whether no loop is empty, and all iterations together are so few that products of extents do not overflow.
  static func isCountable(_ dimensions: [Dimension]) -> Bool {
    var left = 1 << 60
    for dimension in dimensions {
      guard dimension.extent > 0 else { return false }
      left /= dimension.extent
    }
    return left > 0
  }

  /// What each iteration stores at the place of its variables, with `let`s written out; nil where it does more, or that
  /// would be long.
  var elementOfPlace: Expression? {
    let place = dimensions.map { Expression.variable($0.name) }
    var values = WrittenOutValues()
    for statement in body.dropLast() {
      guard case .bind(let name, let value) = statement, values.bind(name, to: value) else {
        return nil
      }
    }
    guard case .store(_, place, let value) = body.last else { return nil }
    return values.writingOut(value)
  }

  /// Whether iterations are independent: each writes its own element of one buffer, which nobody reads.
  ///
  /// This is what makes it legal to reorder, tile, vectorize and parallelize the nest. With `several`, an iteration may
  /// write elements of its own along dimensions that none of the nest's variables stands in.
  func writesOnlyOwnElement(several: Bool = false) -> Bool {
    var locals: Set<String> = []
    var target: String?
    var isLegal = true
    body.forEachStatement { statement in
      switch statement {
      case .allocate(let buffer): locals.insert(buffer.name)
      case .store(let buffer, let indices, _) where !locals.contains(buffer):
        isLegal = isLegal && (target == nil || target == buffer) && isInjective(indices, several)
        target = buffer
      case .barrier, .copy, .commitGroup, .waitGroup, .call: isLegal = false
      default: break
      }
    }
    body.forEachLoad { buffer, _ in if buffer == target { isLegal = false } }
    return isLegal && target != nil
  }

  /// Each variable of the nest stands alone in one index, plus a constant at most.
  private func isInjective(_ indices: [Expression], _ several: Bool) -> Bool {
    let names = Set(dimensions.map(\.name))
    var seen: Set<String> = []
    for index in indices {
      let used = index.variablesUsed
      if used.isEmpty || (several && used.isDisjoint(with: names)) { continue }
      guard used.count == 1, let name = used.first, names.contains(name),
        seen.insert(name).inserted,
        case .integer = (index - .variable(name)).simplifiedIndex()
      else { return false }
    }
    return seen == names
  }
}

/// A nest whose body accumulates one element: what the lowering of a convolution or pooling looks like.
///
/// ```
/// for n { for c { for y { for x {
///   allocate sum; sum = initial
///   for ky { if inside { for kx { if inside { for i { sum = update } } } } }
///   tail(sum)
/// } } } }
/// ```
struct ReductionNest {
  enum Step: Hashable {
    case loop(LoopNest.Dimension)
    case condition(Expression)
  }

  var outer: LoopNest
  var accumulator: Buffer
  var initial: Expression
  /// From the outermost loop or condition to the innermost.
  var steps: [Step]
  /// The accumulator's new value.
  var update: Expression
  /// What is done with the sum: `let`s and one store.
  var tail: [Statement]

  /// Schedules look at every tile of a row: one of millions, which only a dump can ask for, would take them minutes.
  private static let longestLoop = 1 << 18

  /// Nil where the kernel is not of this form or where its iterations are not independent.
  init?(_ kernel: Kernel) {
    let body = kernel.body
    guard let nest = body.count == 1 ? LoopNest(body[0]) : LoopNest(scalar: body),
      nest.writesOnlyOwnElement(), nest.body.count >= 4, case .allocate(let buffer) = nest.body[0],
      buffer.extents.isEmpty,
      case .store(buffer.name, _, let initial) = nest.body[1]
    else { return nil }
    outer = nest
    accumulator = buffer
    self.initial = initial
    steps = []
    var inner = [nest.body[2]]
    var update: Expression?
    while inner.count == 1, update == nil {
      switch inner[0] {
      case .loop(let loop):
        guard case .integer(0) = loop.lower, let extent = loop.constantExtent else { return nil }
        steps.append(.loop(.init(name: loop.variable, extent: extent)))
        inner = loop.body
      case .conditional(let condition, let then, let otherwise):
        guard otherwise.isEmpty else { return nil }
        steps += Self.conjuncts(condition).map(Step.condition)
        inner = then
      case .store(buffer.name, _, let value): update = value
      default: return nil
      }
    }
    guard let update else { return nil }
    self.update = update
    tail = Array(nest.body[3...])
    let dimensions = outer.dimensions + reductions
    guard LoopNest.isCountable(dimensions), dimensions.allSatisfy({ $0.extent <= Self.longestLoop })
    else { return nil }
  }

  private static func conjuncts(_ condition: Expression) -> [Expression] {
    guard case .binary(.and, let a, let b) = condition else { return [condition] }
    return conjuncts(a) + conjuncts(b)
  }

  /// The reduction's loops, outermost first.
  var reductions: [LoopNest.Dimension] {
    steps.compactMap { if case .loop(let dimension) = $0 { return dimension } else { return nil } }
  }

  /// Where nothing is accumulated unless all of them hold.
  var conditions: [Expression] {
    steps.compactMap {
      if case .condition(let condition) = $0 { return condition } else { return nil }
    }
  }

  /// Whether the accumulator is a sum of products, so that it may be summed up in parts.
  var isSumOfProducts: Bool {
    guard case .fma(_, _, .load(accumulator.name, _)) = update else { return false }
    return true
  }
}

extension [LoopNest.Dimension] {
  /// Binds the variables of dimensions to their values in a number that counts all of them, the last one first.
  static func places(
    _ number: Expression, _ dimensions: Self
  ) -> [Statement] {
    var rest = number
    var statements: [Statement] = []
    for (level, dimension) in dimensions.enumerated().reversed() {
      let extent = Expression.integer(dimension.extent)
      statements.append(
        .bind(dimension.name, level == 0 ? rest : .binary(.remainder, rest, extent)))
      rest = .binary(.divide, rest, extent)
    }
    return statements
  }
}
