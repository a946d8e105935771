import LoopIR
import Tensors

/// Writes products of a constant matrix and a short vector of elements as few `let`s.
///
/// Rows that differ in the signs of some columns only share the sums of the columns with equal and with opposite
/// signs (`e + o`, `e - o`), and columns that differ in the signs of some rows only are added and subtracted first.
/// Both are the pairs of opposite points of Winograd's transforms.
struct LinearMap {
  let matrix: [[Fraction]]
  let element: ElementType
  /// Whether a·b + c may be rounded once; without it results do not depend on the processor.
  let isFused: Bool

  private struct Term {
    var factor: Fraction
    var value: Expression
  }

  /// The statements that compute it, and an expression for each row.
  func apply(
    to vector: [Expression], _ names: inout NameSupply
  ) -> (statements: [Statement], results: [Expression]) {
    var statements: [Statement] = []
    let rows = paired(vector, &statements, &names)
    var results = [Expression?](repeating: nil, count: rows.count)
    for row in rows.indices where results[row] == nil {
      if let (other, equal, opposite) = partner(of: row, in: rows) {
        (results[row], results[other]) = sumAndDifference(equal, opposite, &statements, &names)
      } else {
        results[row] = bound(sum(rows[row]), &statements, &names)
      }
    }
    return (statements, results.compactMap { $0 })
  }

  /// Each row's terms, after pairs of columns have become their sum and difference.
  private func paired(
    _ vector: [Expression], _ statements: inout [Statement], _ names: inout NameSupply
  ) -> [[Term]] {
    var rows = matrix.map { _ in [Term]() }
    var done: Set<Int> = []
    for column in vector.indices where done.insert(column).inserted {
      let other = vector.indices.first { other in
        other > column && !done.contains(other) && isPair(column, other)
      }
      guard let other else {
        for row in rows.indices { append(matrix[row][column], vector[column], to: &rows[row]) }
        continue
      }
      done.insert(other)
      let sum = bound(vector[column] + vector[other], &statements, &names)
      let difference = bound(vector[column] - vector[other], &statements, &names)
      for row in rows.indices {
        let isEqual = matrix[row][column] == matrix[row][other]
        append(matrix[row][column], isEqual ? sum : difference, to: &rows[row])
      }
    }
    return rows
  }

  /// Columns of equal magnitudes that both occur with one sign and with two.
  private func isPair(_ a: Int, _ b: Int) -> Bool {
    let isOpposite = matrix.allSatisfy { $0[a] == $0[b] || $0[a] == -$0[b] }
    let rows = matrix.filter { $0[a] != 0 }
    return isOpposite && rows.count { $0[a] == $0[b] } > 1 && rows.count { $0[a] != $0[b] } > 1
  }

  private func append(_ factor: Fraction, _ value: Expression, to terms: inout [Term]) {
    if factor != 0 { terms.append(Term(factor: factor, value: value)) }
  }

  /// A later row with the same terms but for some signs, and the terms of equal and opposite sign.
  private func partner(
    of row: Int, in rows: [[Term]]
  ) -> (row: Int, equal: [Term], opposite: [Term])? {
    for other in rows.indices where other > row && rows[other].count == rows[row].count {
      let pairs = Array(zip(rows[row], rows[other]))
      guard
        pairs.allSatisfy({
          $0.value == $1.value && ($0.factor == $1.factor || $0.factor == -$1.factor)
        })
      else { continue }
      let equal = pairs.filter { $0.factor == $1.factor }.map(\.0)
      let opposite = pairs.filter { $0.factor != $1.factor }.map(\.0)
      if !equal.isEmpty, !opposite.isEmpty { return (other, equal, opposite) }
    }
    return nil
  }

  private func sumAndDifference(
    _ equal: [Term], _ opposite: [Term], _ statements: inout [Statement],
    _ names: inout NameSupply
  ) -> (Expression, Expression) {
    let e = bound(sum(equal), &statements, &names)
    // Scaled by its last factor, so that the scaling is part of the last step of both results.
    let scale = opposite.last?.factor ?? 1
    let scaled = opposite.map { Term(factor: $0.factor / scale, value: $0.value) }
    let o = bound(sum(scaled), &statements, &names)
    return (
      bound(add(Term(factor: scale, value: o), to: e), &statements, &names),
      bound(add(Term(factor: -scale, value: o), to: e), &statements, &names)
    )
  }

  /// Starts with a term that needs no multiplication, where there is one.
  private func sum(_ terms: [Term]) -> Expression {
    guard let start = terms.firstIndex(where: { $0.factor == 1 }) ?? terms.indices.first else {
      return .real(0, element)
    }
    let first = terms[start].value
    let head = terms[start].factor == 1 ? first : constant(terms[start].factor) * first
    return terms.indices.filter { $0 != start }.reduce(head) { add(terms[$1], to: $0) }
  }

  private func add(_ term: Term, to sum: Expression) -> Expression {
    if term.factor == 1 { return sum + term.value }
    if term.factor == -1 { return sum - term.value }
    let factor = constant(term.factor)
    return isFused ? .fma(factor, term.value, sum) : factor * term.value + sum
  }

  private func constant(_ factor: Fraction) -> Expression { .real(factor.value, element) }

  private func bound(
    _ value: Expression, _ statements: inout [Statement], _ names: inout NameSupply
  ) -> Expression {
    switch value {
    case .variable, .real: return value
    default: break
    }
    let name = names.fresh("f")
    statements.append(.bind(name, value))
    return .variable(name)
  }
}
