import LoopIR

/// A kernel that sums over whole dimensions of its operands, read as what `SplitSum` needs to know.
///
/// Convolutions also sum over all of their weights; what tells them apart is what slides over what: there a small
/// window over a large result, here (the gradient of a kernel) a large window over a small result.
struct SumForm {
  /// The nest; with a lane, the loop that it shares has that many iterations less.
  private(set) var nest: ReductionNest
  /// The reduction's loops, the one with the largest steps in memory first.
  private(set) var loops: [LoopNest.Dimension]
  /// The result's dimensions, and last the lane, if there is one.
  private(set) var results: [LoopNest.Dimension]
  /// The one of `results` that vectors run along: its elements lie side by side in an operand.
  private(set) var channel: Int?
  /// Another one whose elements do, for the other direction of register tiles.
  private(set) var column: Int?
  /// Where only a reduction's loop runs along neighbours: the vectors' lanes share it, one sum each.
  private(set) var lane: LoopNest.Dimension?

  /// Which of the loops goes over rows; one before it goes over images.
  var rowLoop: Int { min(1, loops.count - 1) }

  private let kernel: Kernel
  private let lanes: Int

  /// Nil where the kernel is no such sum.
  init?(_ kernel: Kernel, _ target: Target) {
    guard let nest = ReductionNest(kernel), nest.isSum, !nest.reductions.isEmpty,
      ProductForm(kernel) == nil, ScheduleRows(kernel, target) == nil
    else { return nil }
    self.kernel = kernel
    self.nest = nest
    loops = nest.reductions
    results = nest.outer.dimensions
    lanes = CostModel(target: target).lanes(nest.accumulator.element)
    guard let operand = wholeOperand(), slidesOverSmallResults() else { return nil }
    loops.sort { operand.strides[$0.name] ?? 0 > operand.strides[$1.name] ?? 0 }
    chooseVectors(operand)
  }

  /// Strides of variables that stand alone as indices, in the order of loads.
  private struct Operand {
    var strides: [String: Int] = [:]
  }

  private func operands() -> [Operand] {
    var all: [Operand] = []
    nest.update.forEachLoad { buffer, indices in
      guard let parameter = kernel.parameters.first(where: { $0.buffer.name == buffer }) else {
        return
      }
      var operand = Operand()
      for (index, stride) in zip(indices, parameter.buffer.strides) {
        if case .variable(let name) = index { operand.strides[name] = stride }
      }
      all.append(operand)
    }
    return all
  }

  /// An operand that is summed over whole dimensions: every loop's variable is one of its indices.
  private func wholeOperand() -> Operand? {
    operands().first { operand in loops.allSatisfy { operand.strides[$0.name] != nil } }
  }

  /// Wherever an index adds a loop's variable and a result's, the loop is the longer one.
  private func slidesOverSmallResults() -> Bool {
    var isSmall = true
    nest.update.forEachLoad { _, indices in
      for index in indices {
        let used = index.variablesUsed
        for loop in loops where used.contains(loop.name) {
          for result in results where used.contains(result.name) {
            isSmall = isSmall && loop.extent >= result.extent
          }
        }
      }
    }
    return isSmall
  }

  private mutating func chooseVectors(_ operand: Operand) {
    let neighbours = results.indices.filter { position in
      results[position].extent > 1
        && operands().contains { $0.strides[results[position].name] == 1 }
    }
    guard let first = neighbours.first else { return shareLoop(operand) }
    channel = first
    guard neighbours.count > 1 else { return }
    column = neighbours[1]
    // Vectors want the dimension that fills them.
    if results[first].extent < lanes, results[neighbours[1]].extent > results[first].extent {
      (channel, column) = (neighbours[1], first)
    }
  }

  /// Gives the lanes of a few vectors one sum each of the loop that runs along neighbours.
  private mutating func shareLoop(_ operand: Operand) {
    guard let place = loops.lastIndex(where: { operand.strides[$0.name] == 1 }) else { return }
    let loop = loops[place]
    let count = LaneSumTile.lanes(for: loop.extent, atMost: 4 * lanes)
    guard count > 1 else { return }
    let shared = LoopNest.Dimension(name: "\(loop.name).l", extent: count)
    let value = Expression.variable(loop.name) * .integer(count) + .variable(shared.name)
    substitute(loop.name, value)
    loops[place].extent = loop.extent / count
    lane = shared
    channel = results.count
    results.append(shared)
  }

  private mutating func substitute(_ variable: String, _ value: Expression) {
    nest.update = nest.update.substituting(variable, with: value)
    nest.steps = nest.steps.map { step in
      guard case .condition(let condition) = step else { return step }
      return .condition(condition.substituting(variable, with: value))
    }
  }

  /// The form with a loop over some of a loop's iterations: those with the given value, while it is below a limit.
  func replacing(
    loop position: Int, by other: LoopNest.Dimension, value: Expression, below end: Expression
  ) -> SumForm {
    var form = self
    form.substitute(loops[position].name, value)
    form.nest.steps.append(.condition(.binary(.less, value, end)))
    form.loops[position] = other
    return form
  }

  /// The reduction's steps without the first loops; every condition right behind the last loop that it looks at.
  func steps(around: Int) -> [ReductionNest.Step] {
    var left = nest.conditions
    var steps: [ReductionNest.Step] = []
    for position in loops.indices {
      if position >= around { steps.append(.loop(loops[position])) }
      let later = Set(loops[(position + 1)...].map(\.name))
      let ready = left.filter { $0.variablesUsed.isDisjoint(with: later) }
      left.removeAll { ready.contains($0) }
      if position >= around || position == around - 1 {
        steps += ready.map(ReductionNest.Step.condition)
      }
    }
    return steps
  }
}

extension ReductionNest {
  /// Whether the accumulator is a sum, of products or of anything else.
  var isSum: Bool {
    if case .binary(.add, .load(accumulator.name, _), let term) = update {
      return !term.subexpressions.contains { $0 == .load(accumulator.name, []) }
    }
    return isSumOfProducts
  }
}
