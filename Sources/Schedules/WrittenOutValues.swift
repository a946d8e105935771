import LoopIR

/// What `let`s stand for, each with those before it written out: what is used twice is then there twice, so that chains of
/// them grow without bounds, and long ones are refused.
struct WrittenOutValues {
  private static let mostParts = 2000

  private var values: [String: Expression] = [:]
  private var parts: [String: Int] = [:]

  func contains(_ name: String) -> Bool { values[name] != nil }

  /// False, and nothing is kept, where the value would be long.
  mutating func bind(_ name: String, to value: Expression) -> Bool {
    guard let whole = writingOut(value) else { return false }
    (values[name], parts[name]) = (whole, count(value))
    return true
  }

  /// Nil where that would be long.
  func writingOut(_ value: Expression) -> Expression? {
    count(value) <= Self.mostParts ? value.substituting(values) : nil
  }

  private func count(_ value: Expression) -> Int {
    var count = 0
    for part in value.subexpressions {
      if case .variable(let name) = part { count += parts[name] ?? 1 } else { count += 1 }
    }
    return count
  }
}
