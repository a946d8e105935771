import Diagnostics
import GraphIR
import Operations
import Tensors

/// Einstein's sums of one or two tensors: each letter is a dimension, and letters that the result does not name are
/// summed over.
struct Einsum {
  private let call: NodeCall
  /// A tensor and the letter of each of its dimensions.
  private struct Term {
    var value: ValueID
    var letters: [Character]
  }

  static func sum(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let equation = try call.word("equation", "").filter { $0 != " " }
    let sides = equation.split(separator: "->", omittingEmptySubsequences: false)
    let terms = sides[0].split(separator: ",", omittingEmptySubsequences: false).map(Array.init)
    guard sides.count <= 2, terms.count == call.inputs.count, (1...2).contains(terms.count),
      (terms + sides.dropFirst().map(Array.init)).joined().allSatisfy({ $0.isASCII && $0.isLetter })
    else {
      throw Diagnostic(
        "the equation '\(equation)' is not supported for \(call.inputs.count) inputs",
        help: "use one or two tensors, letters, ',' and '->'")
    }
    // Without a result, it has the letters that occur once, in alphabetical order.
    let all = terms.flatMap { $0 }
    let implied = Set(all).sorted().filter { letter in all.count { $0 == letter } == 1 }
    let result = sides.count == 2 ? Array(sides[1]) : implied
    return [.value(try Einsum(call: call).result(terms, result, equation))]
  }

  private func result(
    _ inputs: [[Character]], _ result: [Character], _ equation: String
  ) throws(Diagnostic) -> ValueID {
    guard (inputs + [result]).allSatisfy({ Set($0).count == $0.count }),
      Set(inputs.flatMap { $0 }).isSuperset(of: result)
    else {
      throw Diagnostic(
        "the equation '\(equation)' names a dimension twice in one tensor, or one that no input has",
        help: "take diagonals before, and expand after it")
    }
    var terms: [Term] = []
    for (index, letters) in inputs.enumerated() {
      let value = try call.value(index)
      guard call.shape(of: value).rank == letters.count else {
        throw Diagnostic(
          "the equation '\(equation)' names \(letters.count) dimensions of a tensor of shape \(call.shape(of: value))"
        )
      }
      let others = inputs.enumerated().filter { $0.offset != index }.flatMap(\.element)
      terms.append(try summed(Term(value: value, letters: letters), keeping: others + result))
    }
    var term = terms[0]
    if terms.count == 2 { term = try product(terms[0], terms[1], result) }
    let order = result.map { letter in term.letters.firstIndex(of: letter) ?? 0 }
    return order == Array(result.indices)
      ? term.value : try call.apply(Transpose(order), term.value)
  }

  /// Without the dimensions that nothing else has.
  private func summed(_ term: Term, keeping letters: [Character]) throws(Diagnostic) -> Term {
    let gone = term.letters.indices.filter { !letters.contains(term.letters[$0]) }
    return Term(
      value: try call.graph.builder.sum(term.value, over: gone),
      letters: term.letters.filter(letters.contains))
  }

  private func product(
    _ a: Term, _ b: Term, _ result: [Character]
  ) throws(Diagnostic) -> Term {
    let shared = a.letters.filter(b.letters.contains)
    let (batch, inner) = (
      shared.filter(result.contains), shared.filter { !result.contains($0) }
    )
    func side(_ term: Term) -> DotGeneral.Side {
      func places(_ letters: [Character]) -> [Int] {
        letters.compactMap { term.letters.firstIndex(of: $0) }
      }
      return DotGeneral.Side(batching: places(batch), contracting: places(inner))
    }
    let value = try call.apply(DotGeneral(side(a), side(b)), a.value, b.value)
    let free = (a.letters + b.letters).filter { !shared.contains($0) }
    return Term(value: value, letters: batch + free)
  }
}
