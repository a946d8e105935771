import LoopIR

/// Writes what the threads of a block do.
protocol ThreadsKernel: AnyObject {
  /// Of a block.
  var threads: Int { get }
  var names: NameSupply { get set }
}

extension ThreadsKernel {
  /// A region in which all threads do what `body` makes of the thread's variable.
  func perThread(_ body: (Expression) -> [Statement]) -> Statement {
    let thread = names.fresh("t")
    let statements = body(.variable(thread))
    return .loop(
      Loop(thread, .integer(0), .integer(threads), kind: .gpuThread, body: statements))
  }

  func unrolled(_ name: String, _ count: Int, _ body: [Statement]) -> [Statement] {
    [.loop(Loop(name, .integer(0), .integer(count), kind: .unrolled, body: body))]
  }

  func vector(_ name: String, _ count: Int, _ body: [Statement]) -> [Statement] {
    [.loop(Loop(name, .integer(0), .integer(count), kind: .vectorized, body: body))]
  }

  /// `then`, only where the conditions hold.
  func guarded(
    _ conditions: [Expression], _ then: [Statement], otherwise: [Statement] = []
  ) -> [Statement] {
    guard let condition = all(conditions) else { return then }
    return [.conditional(condition, then: then, otherwise: otherwise)]
  }

  /// Nil where there are none.
  func all(_ conditions: [Expression]) -> Expression? {
    conditions.first.map { first in
      conditions.dropFirst().reduce(first) { .binary(.and, $0, $1) }
    }
  }

  func less(_ a: Expression, _ b: Int) -> Expression { .binary(.less, a, .integer(b)) }

  /// (value mod count, value / count).
  func split(_ value: Expression, by count: Int) -> (Expression, Expression) {
    (
      .binary(.remainder, value, .integer(count)), .binary(.divide, value, .integer(count))
    )
  }
}
