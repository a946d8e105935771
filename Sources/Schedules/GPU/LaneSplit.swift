import LoopIR

/// Computes neighbouring iterations of a loop beside each other, with vectors around each store.
///
/// ```
/// allocate best; best = -inf; for k { best = max(best, x[c, k]) }; y[c] = best
/// ```
/// becomes, for 8 iterations from c on,
/// ```
/// allocate best[8]; vectorized l { best[l] = -inf }; for k { vectorized l { best[l] = max(best[l], x[c + l, k]) } }; ...
/// ```
struct LaneSplit {
  private let variable: String
  private let lanes: Int
  private(set) var names: NameSupply
  /// Buffers that have an element for each lane.
  private var buffers: Set<String> = []
  /// What `let`s stand for whose values differ between lanes.
  private var values = WrittenOutValues()

  /// `names` knows all names of the kernel.
  init(_ variable: String, _ lanes: Int, _ names: NameSupply) {
    (self.variable, self.lanes, self.names) = (variable, lanes, names)
  }

  /// Nil where loops or conditions differ between lanes, or what differs is long.
  mutating func split(_ statements: [Statement]) -> [Statement]? {
    var result: [Statement] = []
    for statement in statements {
      guard let parts = split(statement) else { return nil }
      result += parts
    }
    return result
  }

  private mutating func split(_ statement: Statement) -> [Statement]? {
    switch statement {
    case .allocate(var buffer):
      buffers.insert(buffer.name)
      buffer = Buffer(
        buffer.name, buffer.element, extents: buffer.extents + [lanes], space: buffer.space)
      return [.allocate(buffer)]
    case .bind(let name, let value):
      guard differs(value) else { return [statement] }
      return values.bind(name, to: value) ? [] : nil
    case .store(let name, let indices, let value):
      let lane = names.fresh("l")
      guard let stored = own(value, lane) else { return nil }
      var place = indices.compactMap { own($0, lane) }
      guard place.count == indices.count else { return nil }
      if buffers.contains(name) { place.append(.variable(lane)) }
      let store = Statement.store(name, place, stored)
      return [.loop(Loop(lane, .integer(0), .integer(lanes), kind: .vectorized, body: [store]))]
    case .loop, .conditional, .block:
      guard !statement.expressions.contains(where: differs) else { return nil }
      return splitBodies(of: statement)
    case .barrier, .copy, .commitGroup, .waitGroup, .loadMatrices, .multiply, .warpGroup, .call:
      return nil
    }
  }

  private mutating func splitBodies(of statement: Statement) -> [Statement]? {
    var isPossible = true
    let result = statement.mapBodies { body in
      guard let parts = split(body) else {
        isPossible = false
        return body
      }
      return parts
    }
    return isPossible ? [result] : nil
  }

  private func differs(_ value: Expression) -> Bool {
    value.subexpressions.contains { part in
      switch part {
      case .variable(let name): return name == variable || values.contains(name)
      case .load(let name, _): return buffers.contains(name)
      default: return false
      }
    }
  }

  /// An expression as one lane sees it; nil where that is long.
  private func own(_ value: Expression, _ lane: String) -> Expression? {
    values.writingOut(value)?.mapExpressions { part in
      switch part {
      case .variable(variable): return part + .variable(lane)
      case .load(let name, let indices) where buffers.contains(name):
        return .load(name, indices + [.variable(lane)])
      default: return part
      }
    }
  }
}
