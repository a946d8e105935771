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

  /// NaN is the number that does not equal itself.
  static func isNaN(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let x = try call.value(0)
    return [.value(try call.apply(Compare(.NE), x, x))]
  }

  static func and(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    try Arithmetic.combined(
      ofNumbers(call), Multiply(), integers: { ($0 != 0 && $1 != 0 ? 1 : 0, false) },
      floats: { $0 * $1 })
  }

  static func or(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    try Arithmetic.combined(
      ofNumbers(call), Maximum(), integers: { ($0 != 0 || $1 != 0 ? 1 : 0, false) },
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
    let parts = [try condition(call), try call.value(1), try call.value(2)]
    var shape = call.shape(of: parts[0])
    for part in parts { shape = try Arithmetic.common(shape, call.shape(of: part)) }
    let operands = try parts.map { (part) throws(Diagnostic) in
      try Arithmetic.stretched(part, to: shape, call)
    }
    return [.value(try call.apply(Select(), operands))]
  }

  private static func condition(_ call: NodeCall) throws(Diagnostic) -> ValueID {
    guard case .integers(let mask) = call.input(0) else { return try call.value(0) }
    return try call.graph.value(.floats(try numbers(mask)), name: call.node.input[0])
  }

  /// A mask that is known as numbers, as masks that are computed are.
  private static func numbers(_ mask: KnownIntegers) throws(Diagnostic) -> Tensor<Float> {
    try Tensor(try Shape(mask.extents), mask.values.map { $0 == 0 ? 0 : 1 })
  }

  /// The call with known masks as numbers, unless all are known.
  private static func ofNumbers(_ call: NodeCall) throws(Diagnostic) -> NodeCall {
    let areKnown = call.inputs.allSatisfy { if case .integers = $0 { true } else { false } }
    if areKnown { return call }
    let inputs = try call.inputs.map { (input) throws(Diagnostic) -> ImportedValue in
      guard case .integers(let mask) = input else { return input }
      return .floats(try numbers(mask))
    }
    return NodeCall(
      node: call.node, inputs: inputs, operatorSet: call.operatorSet, graph: call.graph)
  }

  private static func chosen(
    _ condition: KnownIntegers, _ a: KnownIntegers, _ b: KnownIntegers
  ) throws(Diagnostic) -> KnownIntegers {
    var shape = try Shape(condition.extents)
    for part in [a, b] { shape = try Arithmetic.common(shape, try Shape(part.extents)) }
    let parts = try [condition, a, b].map { (part) throws(Diagnostic) in
      try part.stretched(to: shape.extents)
    }
    let values = zip(parts[0].values, zip(parts[1].values, parts[2].values)).map { holds, either in
      holds != 0 ? either.0 : either.1
    }
    return try KnownIntegers(shape.extents, values)
  }
}
