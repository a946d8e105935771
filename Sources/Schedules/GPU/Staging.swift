import LoopIR
import Tensors

/// Runs of neighbouring elements that a block's threads bring to a shared buffer in turns.
struct StagedUnits {
  var count: Int
  /// Elements of a unit.
  var lanes: Int
  var shared: Buffer
  /// Where the element of a unit and a lane is stored.
  var place: (_ unit: Expression, _ lane: Expression) -> [Expression]
  /// Where one of these does not hold, a unit is zero.
  var inside: (_ unit: Expression) -> [Expression]
  var values: (_ unit: Expression) -> StagedValues
}

/// The values of a unit's lanes: `low` where the condition holds, `high` elsewhere.
struct StagedValues {
  var low: (_ lane: Expression) -> Expression
  var choice: (isLow: Expression, high: (_ lane: Expression) -> Expression)?
}

extension Kernel {
  /// Elements in 16 bytes of what an expression loads: what a thread copies at once.
  func lanes(of value: Expression) -> Int {
    let loaded = value.loadedBuffers
    let types = parameters.filter { loaded.contains($0.buffer.name) }.map(\.buffer.element)
    return 16 / (types.map(\.byteCount).max() ?? 4)
  }
}

/// Writes a kernel whose blocks bring elements to shared memory.
protocol StagingKernel: ThreadsKernel {
  /// The kernel as plain loops.
  var source: Kernel { get }
  /// The type in which a thread holds what is computed on the way.
  var heldElement: ElementType { get }
  /// The value that is staged for an element.
  func staged(_ value: Expression) -> Expression
  /// Units that a thread reads at once: more would take too many registers.
  var mostTurns: Int { get }
}

extension StagingKernel {
  var mostTurns: Int { 9 }
}

extension StagingKernel {
  /// Starts copies of units to shared memory; what is computed on the way is read and stored at once.
  func stage(_ units: StagedUnits, _ thread: Expression) -> [Statement] {
    areCopied(units) ? copied(units, thread) : stored(units, thread)
  }

  /// Whether units are elements of buffers, so that copies bring them.
  private func areCopied(_ units: StagedUnits) -> Bool {
    samples(of: units).allSatisfy { source(of: $0, for: units) != nil }
  }

  /// What units are, in each of their branches.
  private func samples(of units: StagedUnits) -> [Expression] {
    let values = units.values(.variable("unit"))
    return ([values.low] + (values.choice.map { [$0.high] } ?? [])).map { $0(.variable("lane")) }
  }

  /// The element that a copy can take for a value; rounding it to tf32 can wait until it is there.
  private func source(of value: Expression, for units: StagedUnits) -> Expression? {
    var element = staged(value)
    if case .unary(.tf32, let inner) = element { element = inner }
    guard case .load(let name, _) = element,
      let parameter = source.parameters.first(where: { $0.buffer.name == name }),
      parameter.access == .read, parameter.buffer.element == units.shared.element,
      units.lanes * units.shared.element.byteCount >= 4
    else { return nil }
    return element
  }

  private func copied(_ units: StagedUnits, _ thread: Expression) -> [Statement] {
    inBatches(units, thread) { _, overUnits in
      overUnits { unit, _ in
        let condition = all(units.inside(unit))
        return branch(units.values(unit)) { value in
          let lane = names.fresh("l")
          guard let source = source(of: value(.variable(lane)), for: units) else { return [] }
          let place = units.place(unit, .variable(lane))
          let copy = AsyncCopy(units.shared.name, place, from: source, where: condition)
          return vector(lane, units.lanes, [.copy(copy)])
        }
      }
    }
  }

  /// All units of a batch are read before the first is stored: then they wait for memory together.
  private func stored(_ units: StagedUnits, _ thread: Expression) -> [Statement] {
    inBatches(units, thread) { count, overUnits in
      let held = Buffer(
        names.fresh("held"), heldElement, extents: [count, units.lanes], space: .register)
      let reads = overUnits { unit, turn in
        func keep(_ value: (Expression) -> Expression) -> [Statement] {
          let lane = names.fresh("l")
          let place = [turn, .variable(lane)]
          return vector(lane, units.lanes, [.store(held.name, place, value(.variable(lane)))])
        }
        return guarded(
          units.inside(unit), branch(units.values(unit), keep),
          otherwise: keep { _ in .real(0, held.element) })
      }
      let stores = overUnits { unit, turn in
        let lane = names.fresh("l")
        let value = staged(.load(held.name, [turn, .variable(lane)]))
        let place = units.place(unit, .variable(lane))
        return vector(lane, units.lanes, [.store(units.shared.name, place, value)])
      }
      return [.allocate(held)] + reads + stores
    }
  }

  /// Rounds what the thread has copied itself; nothing where elements need no rounding.
  func roundCopied(_ units: StagedUnits, _ thread: Expression) -> [Statement] {
    let isRounded = samples(of: units).contains {
      if case .unary(.tf32, _) = staged($0) { return true } else { return false }
    }
    guard isRounded, areCopied(units) else { return [] }
    return inBatches(units, thread) { _, overUnits in
      overUnits { unit, _ in
        let lane = names.fresh("l")
        let place = units.place(unit, .variable(lane))
        let value = staged(.load(units.shared.name, place))
        return vector(lane, units.lanes, [.store(units.shared.name, place, value)])
      }
    }
  }

  private func branch(
    _ values: StagedValues, _ body: ((Expression) -> Expression) -> [Statement]
  ) -> [Statement] {
    guard let choice = values.choice else { return body(values.low) }
    return guarded([choice.isLow], body(values.low), otherwise: body(choice.high))
  }

  /// The threads take units in turns, several in a batch. `body` is given how many, and what goes over them: with a
  /// unit's number and its place in the batch.
  private func inBatches(
    _ units: StagedUnits, _ thread: Expression,
    _ body: (
      _ count: Int,
      _ overUnits: ((_ unit: Expression, _ turn: Expression) -> [Statement]) -> [Statement]
    ) -> [Statement]
  ) -> [Statement] {
    let turns = (units.count + threads - 1) / threads
    let batches = (turns + mostTurns - 1) / mostTurns
    let batch = (turns + batches - 1) / batches
    let first = names.fresh("batch")
    let statements = body(batch) { inner in
      let (turn, unit) = (names.fresh("turn"), names.fresh("unit"))
      var statements = inner(.variable(unit), .variable(turn))
      if units.count % (batches * batch * threads) != 0 {
        statements = guarded([less(.variable(unit), units.count)], statements)
      }
      let index =
        (.variable(first) * .integer(batch) + .variable(turn)) * .integer(threads) + thread
      return unrolled(turn, batch, [.bind(unit, index)] + statements)
    }
    return [.loop(Loop(first, .integer(0), .integer(batches), body: statements))]
  }
}
