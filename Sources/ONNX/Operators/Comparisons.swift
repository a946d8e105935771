import Diagnostics
import GraphIR
import Operations
import Tensors

/// Comparisons and what chooses by them. Truth values are 1 and 0, in float32 between images.
enum Comparisons {
  static func equal(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    try compared(call, .EQ, { $0 == $1 }, { $0 == $1 })
  }

  static func greater(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    try compared(call, .GT, { $0 > $1 }, { $0 > $1 })
  }

  static func greaterOrEqual(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    try compared(call, .GE, { $0 >= $1 }, { $0 >= $1 })
  }

  static func less(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    try compared(call, .LT, { $0 < $1 }, { $0 < $1 })
  }

  static func lessOrEqual(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    try compared(call, .LE, { $0 <= $1 }, { $0 <= $1 })
  }

  private static func compared(
    _ call: NodeCall, _ direction: Compare.Direction, _ integers: (Int, Int) -> Bool,
    _ floats: (Float, Float) -> Bool
  ) throws(Diagnostic) -> [ImportedValue] {
    try Arithmetic.combined(
      call, Compare(direction), integers: { (integers($0, $1) ? 1 : 0, false) },
      floats: { floats($0, $1) ? 1 : 0 })
  }

  static func and(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    try Arithmetic.combined(
      call, Multiply(), integers: { ($0 != 0 && $1 != 0 ? 1 : 0, false) },
      floats: { $0 * $1 })
  }

  static func or(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    try Arithmetic.combined(
      call, Maximum(), integers: { ($0 != 0 || $1 != 0 ? 1 : 0, false) },
      floats: { max($0, $1) })
  }

  static func not(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    if case .integers(let known) = call.input(0) {
      return [.integers(try KnownIntegers(known.extents, known.values.map { $0 == 0 ? 1 : 0 }))]
    }
    let x = try call.value(0)
    return [.value(try call.apply(Compare(.EQ), x, try call.constant(0, call.shape(of: x))))]
  }

  /// The second input's elements where the first is not 0, else the third's.
  static func choose(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    if case .integers(let condition) = call.input(0), case .integers(let a) = call.input(1),
      case .integers(let b) = call.input(2)
    {
      return [.integers(try chosen(condition, a, b))]
    }
    let parts = [try call.value(0), try call.value(1), try call.value(2)]
    var shape = call.shape(of: parts[0])
    for part in parts { shape = try Arithmetic.common(shape, call.shape(of: part)) }
    let operands = try parts.map { (part) throws(Diagnostic) in
      try Arithmetic.stretched(part, to: shape, call)
    }
    return [.value(try call.apply(Select(), operands))]
  }

  private static func chosen(
    _ condition: KnownIntegers, _ a: KnownIntegers, _ b: KnownIntegers
  ) throws(Diagnostic) -> KnownIntegers {
    let parts = [condition, a, b]
    let largest = parts.reduce(condition) { $1.values.count > $0.values.count ? $1 : $0 }
    let count = largest.values.count
    guard parts.allSatisfy({ [1, count].contains($0.values.count) }) else {
      throw Diagnostic("known numbers of the shapes \(parts.map(\.extents)) do not fit together")
    }
    func element(_ part: KnownIntegers, _ place: Int) -> Int {
      part.values[part.values.count == 1 ? 0 : place]
    }
    return try KnownIntegers(
      largest.extents,
      (0..<count).map { element(condition, $0) != 0 ? element(a, $0) : element(b, $0) })
  }
}
