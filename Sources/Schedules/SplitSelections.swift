import LoopIR

extension [Statement] {
  /// Splits serial loops where the outcome of a selection changes, so that each part reads one operand.
  ///
  /// ```
  /// for i in 0 ..< 24 { s = fma(select(i < 16, a[min(i, 15)], b[max(i - 16, 0)]), w[i], s) }
  /// ```
  /// becomes, once simplified,
  /// ```
  /// for i in 0 ..< 16 { s = fma(a[i], w[i], s) }
  /// for i.1 in 16 ..< 24 { s = fma(b[i.1 - 16], w[i.1], s) }
  /// ```
  /// What one loop selects by outer variables alone becomes a condition around it:
  /// ```
  /// if n < 1 { for i in 0 ..< 16 { .. 0.0 .. } } else { for i.1 in 0 ..< 16 { .. a[n - 1, i.1] .. } }
  /// ```
  /// Iterations keep their order, so values do not change. Names are those of a whole kernel, each defined once.
  func splitAtSelections(_ names: inout NameSupply) -> [Statement] {
    split(&names, [:])
  }

  private func split(_ names: inout NameSupply, _ outer: [String: Interval]) -> [Statement] {
    let ranges = indexRanges(outer)
    var result: [Statement] = []
    for statement in self {
      guard case .loop(let loop) = statement else {
        result.append(statement.mapBodies { $0.split(&names, ranges) })
        continue
      }
      for (number, part) in loop.parts(ranges).enumerated() {
        let own = number == 0 ? [.loop(part)] : names.renamed([.loop(part)])
        let inner = own.indexRanges(outer)
        result += own.map { $0.mapBodies { $0.split(&names, inner) }.decided(&names, inner) }
      }
    }
    return result
  }

  /// Bounds of the index variables that are defined here, as far as they are known.
  private func indexRanges(_ outer: [String: Interval]) -> [String: Interval] {
    var ranges = outer
    forEachStatement { statement in
      switch statement {
      case .loop(let loop):
        guard let low = loop.lower.simplifiedIndex(ranges).interval(ranges),
          let high = loop.upper.simplifiedIndex(ranges).interval(ranges), low.lower < high.upper
        else { return }
        ranges[loop.variable] = Interval(low.lower, high.upper - 1)
      case .bind(let name, let value):
        ranges[name] = value.simplifiedIndex(ranges).interval(ranges)
      default: break
      }
    }
    return ranges
  }
}

extension Statement {
  /// An innermost serial loop that selects by an index in which it defines nothing: that condition, around a loop for
  /// each outcome.
  fileprivate func decided(
    _ names: inout NameSupply, _ ranges: [String: Interval]
  ) -> Statement {
    guard case .loop(let whole) = self, whole.kind == .serial, !whole.body.hasSerialLoops else {
      return self
    }
    // What other parts of a split loop read is selected here no more.
    let own = selecting { $0.truth(ranges) }
    guard case .loop(let loop) = own else { return self }
    let defined = Set([self].definedNames)
    let conditions = loop.selections(ranges) { $0.isDisjoint(with: defined) }.filter {
      $0.readsNothing && $0.truth(ranges) == nil
    }
    guard let condition = conditions.first, conditions.count <= 3 else { return self }
    let outcomes = [true, false].map { outcome in
      own.selecting { $0.simplified(ranges) == condition ? outcome : nil }
    }
    return .conditional(
      condition, then: [outcomes[0].decided(&names, ranges)],
      otherwise: names.renamed([outcomes[1]]).map { $0.decided(&names, ranges) })
  }

  /// The statement where the outcomes of some selections are known.
  private func selecting(_ outcome: (_ condition: Expression) -> Bool?) -> Statement {
    [self].mapExpressions { expression in
      expression.mapExpressions {
        guard case .select(let condition, let a, let b) = $0, let isFirst = outcome(condition)
        else { return $0 }
        return isFirst ? a : b
      }
    }[0]
  }
}

extension Expression {
  /// Those of all selections in it.
  var selectionConditions: [Expression] {
    subexpressions.compactMap {
      if case .select(let condition, _, _) = $0 { condition } else { nil }
    }
  }

  fileprivate var readsNothing: Bool {
    var reads = false
    forEachLoad { _, _ in reads = true }
    return !reads
  }
}

extension [Statement] {
  fileprivate var hasSerialLoops: Bool {
    var found = false
    forEachStatement {
      if case .loop(let loop) = $0, loop.kind == .serial { found = true }
    }
    return found
  }
}

extension Loop {
  /// The loop as consecutive ones, in each of which every selection by its variable has one outcome if it can.
  fileprivate func parts(_ ranges: [String: Interval]) -> [Loop] {
    guard kind == .serial, case .integer(let first) = lower, case .integer(let end) = upper,
      first < end
    else { return [self] }
    let conditions = selections(ranges) { $0.contains(variable) }
    if conditions.isEmpty { return [self] }
    func outcomes(_ value: Int) -> [Bool?] {
      let known = ranges.merging([variable: Interval(value)]) { $1 }
      return conditions.map { $0.truth(known) }
    }
    var starts = [first]
    var previous = outcomes(first)
    for value in first + 1..<end {
      let next = outcomes(value)
      if next != previous { starts.append(value) }
      previous = next
    }
    // A comparison of sums is false, open and true in turn; what changes more often is no breakpoint.
    guard starts.count <= 2 * conditions.count + 1 else { return [self] }
    return zip(starts, starts.dropFirst() + [end]).map { start, end in
      var part = self
      (part.lower, part.upper) = (.integer(start), .integer(end))
      return part
    }
  }

  /// Conditions of selections inside whose variables are such as `matters` says.
  fileprivate func selections(
    _ ranges: [String: Interval], _ matters: (Set<String>) -> Bool
  ) -> [Expression] {
    var conditions: [Expression] = []
    body.forEachStatement { statement in
      for condition in statement.expressions.flatMap(\.selectionConditions) {
        let simple = condition.simplified(ranges)
        if matters(simple.variablesUsed), !conditions.contains(simple) {
          conditions.append(simple)
        }
      }
    }
    return conditions
  }
}
