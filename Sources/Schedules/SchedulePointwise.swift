import LoopIR

/// Schedules loops in which every element is computed on its own: memory order, threads outside, vectors inside.
struct SchedulePointwise {
  let kernel: Kernel
  let target: Target
  var names: NameSupply
  /// The nests of the kernel's body, one after the other.
  let nests: [LoopNest]

  /// Nil where some statement of the kernel is not a nest of independent iterations.
  init?(_ kernel: Kernel, _ target: Target) {
    self.kernel = kernel
    self.target = target
    names = NameSupply(kernel)
    var nests: [LoopNest] = []
    for statement in kernel.body {
      guard let nest = LoopNest(statement), nest.writesOnlyOwnElement() else { return nil }
      nests.append(nest)
    }
    self.nests = nests
    for name in kernel.body.definedNames { _ = names.fresh(name) }
  }

  mutating func scheduled() -> Kernel {
    var result = kernel
    result.body = (interleaved() ?? nests.flatMap { scheduled($0) }).simplified()
    return result
  }

  /// One nest for all, where each writes every so many-th number of the result: real and imaginary parts beside each
  /// other, say. LLVM makes whole vectors of such stores; apart, each would be one of single numbers.
  private func interleaved() -> [Statement]? {
    guard nests.count > 1, let first = nests.first, let last = first.dimensions.last,
      last.extent == 1, let result = kernel.parameters.last?.buffer,
      result.extents.last == nests.count, result.strides.last == 1,
      nests.allSatisfy({ $0.dimensions.map(\.extent) == first.dimensions.map(\.extent) })
    else { return nil }
    let body = nests.flatMap { nest in
      zip(nest.dimensions, first.dimensions).reduce(nest.body) { body, pair in
        body.substituting(
          pair.0.name, with: pair.0.extent == 1 ? .integer(0) : .variable(pair.1.name))
      }
    }
    let order = memoryOrder(of: first).filter { $0.extent > 1 }
    return order.isEmpty ? nil : around(order, body)
  }

  private mutating func scheduled(_ nest: LoopNest) -> [Statement] {
    let order = memoryOrder(of: nest)
    guard let innermost = order.last else { return nest.body }
    if let tile = TransposedTile(kernel, nest, lanesAlong: innermost, target) {
      let outer = order.filter { !tile.dimensions.contains($0) }
      return around(sharedFirst(outer), tile.statements(&names))
    }
    return around(order.dropLast(), vectorized(innermost, nest.body))
  }

  /// Loops around `body`, over the first of which threads share the work.
  private func around(_ dimensions: [LoopNest.Dimension], _ body: [Statement]) -> [Statement] {
    dimensions.enumerated().reversed().reduce(body) { body, item in
      let (level, dimension) = item
      return [
        .loop(
          Loop(
            dimension.name, .integer(0), .integer(dimension.extent),
            kind: level == 0 ? .parallel : .serial, body: body))
      ]
    }
  }

  private func memoryOrder(of nest: LoopNest) -> [LoopNest.Dimension] {
    let sorted = kernel.memoryOrder(of: nest)
    return sharedFirst(sorted.dropLast()) + sorted.suffix(1)
  }

  /// Single iterations go outermost but never first: a single image would leave nothing to share among threads.
  private func sharedFirst(_ sorted: [LoopNest.Dimension]) -> [LoopNest.Dimension] {
    guard let widest = sorted.firstIndex(where: { $0.extent > 1 }) else { return sorted }
    return [sorted[widest]] + sorted[..<widest] + sorted[(widest + 1)...]
  }

  /// The innermost loop in whole vectors, and what is left as one shorter vector.
  mutating func vectorized(
    _ dimension: LoopNest.Dimension, _ body: [Statement]
  ) -> [Statement] {
    let lanes = target.floatLanes
    let whole = dimension.extent / lanes
    var statements: [Statement] = []
    if whole > 0 {
      let (outer, lane) = (names.fresh("\(dimension.name).o"), names.fresh("\(dimension.name).l"))
      let inner = names.renamed(
        body.substituting(
          dimension.name, with: .variable(outer) * .integer(lanes) + .variable(lane)))
      let vector = Statement.loop(
        Loop(lane, .integer(0), .integer(lanes), kind: .vectorized, body: inner))
      statements.append(.loop(Loop(outer, .integer(0), .integer(whole), body: [vector])))
    }
    let rest = dimension.extent % lanes
    if rest > 0 {
      let lane = names.fresh("\(dimension.name).l")
      let inner = names.renamed(
        body.substituting(
          dimension.name, with: .integer(whole * lanes) + .variable(lane)))
      statements.append(
        .loop(Loop(lane, .integer(0), .integer(rest), kind: .vectorized, body: inner)))
    }
    return statements
  }
}

extension Kernel {
  /// A nest's dimensions by falling stride in the buffer that it writes.
  func memoryOrder(of nest: LoopNest) -> [LoopNest.Dimension] {
    var strides: [String: Int] = [:]
    nest.body.forEachStore { buffer, indices in
      guard let parameter = parameters.first(where: { $0.buffer.name == buffer }) else { return }
      for (index, stride) in zip(indices, parameter.buffer.strides) {
        for name in index.variablesUsed { strides[name] = stride }
      }
    }
    return nest.dimensions.enumerated().sorted { a, b in
      let (x, y) = (strides[a.element.name] ?? 0, strides[b.element.name] ?? 0)
      return x == y ? a.offset < b.offset : x > y
    }.map(\.element)
  }
}
