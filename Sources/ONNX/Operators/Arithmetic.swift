import Diagnostics
import GraphIR
import Operations
import Tensors

/// Arithmetic of two and more tensors, which are repeated along dimensions where they have one element.
///
/// Between numbers that are known (shapes, mostly) it is done at once.
enum Arithmetic {
  static func add(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    try combined(call, Add(), integers: { $0.addingReportingOverflow($1) }, floats: +)
  }

  static func subtract(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    try combined(call, Subtract(), integers: { $0.subtractingReportingOverflow($1) }, floats: -)
  }

  static func multiply(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    try combined(call, Multiply(), integers: { $0.multipliedReportingOverflow(by: $1) }, floats: *)
  }

  static func divide(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    try combined(call, Divide(), integers: { $0.dividedReportingOverflow(by: $1) }, floats: /)
  }

  /// Of numbers that are known; with the sign of the divisor, or by `fmod` that of the dividend.
  static func remainder(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let isTruncated = try call.integer("fmod", 0) != 0
    let known = try folded(
      call,
      integers: { a, b in
        let (rest, overflow) = a.remainderReportingOverflow(dividingBy: b)
        let isTurned = !isTruncated && rest != 0 && (rest < 0) != (b < 0)
        return (isTurned ? rest + b : rest, overflow)
      }, floats: { a, b in a.truncatingRemainder(dividingBy: b) })
    guard let known else {
      throw Diagnostic("it divides what is known only when the network runs")
    }
    return known
  }

  static func maximum(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    try combined(call, Maximum(), integers: { (max($0, $1), false) }, floats: { max($0, $1) })
  }

  static func sum(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] { try add(call) }

  static func mean(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let total = try onImages(call) { (a, b) throws(Diagnostic) in try call.apply(Add(), a, b) }
    guard case .value(let sum)? = total.first else { return total }
    return [.value(try call.graph.builder.multiply(sum, 1 / Double(call.inputs.count)))]
  }

  static func minimum(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let known = try folded(
      call, integers: { (min($0, $1), false) }, floats: { min($0, $1) })
    if let known { return known }
    return try onImages(call) { (a, b) throws(Diagnostic) in try smaller(a, b, call) }
  }

  /// -max(-a, -b), which is NaN where either is.
  static func smaller(
    _ a: ValueID, _ b: ValueID, _ call: NodeCall
  ) throws(Diagnostic) -> ValueID {
    let larger = try call.apply(
      Maximum(), try call.apply(Negate(), a), try call.apply(Negate(), b))
    return try call.apply(Negate(), larger)
  }

  static func negate(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    if case .integers(let known) = call.input(0) {
      return [.integers(try KnownIntegers(known.extents, known.values.map { 0 &- $0 }))]
    }
    return [.value(try call.apply(Negate(), try call.value(0)))]
  }

  static func floor(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    if case .floats(let known) = call.input(0) { return [.floats(known.map { $0.rounded(.down) })] }
    return [.value(try call.apply(Floor(), try call.value(0)))]
  }

  /// -[-x], rounded down.
  static func ceil(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    if case .floats(let known) = call.input(0) { return [.floats(known.map { $0.rounded(.up) })] }
    let negative = try call.apply(Negate(), try call.value(0))
    return [.value(try call.apply(Negate(), try call.apply(Floor(), negative)))]
  }

  static func round(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    if case .floats(let known) = call.input(0) {
      return [.floats(known.map { $0.rounded(.toNearestOrEven) })]
    }
    return [.value(try call.apply(RoundNearestEven(), try call.value(0)))]
  }

  // MARK: Broadcasting

  typealias IntegerFunction = (Int, Int) -> (partialValue: Int, overflow: Bool)

  /// Of two inputs or more, from the first on.
  static func combined(
    _ call: NodeCall, _ operation: any Operation, integers: IntegerFunction,
    floats: (Float, Float) -> Float
  ) throws(Diagnostic) -> [ImportedValue] {
    if let known = try folded(call, integers: integers, floats: floats) { return known }
    return try onImages(call) { (a, b) throws(Diagnostic) in try call.apply(operation, a, b) }
  }

  /// From the first input on, with each further one.
  private static func onImages(
    _ call: NodeCall, _ combine: (ValueID, ValueID) throws(Diagnostic) -> ValueID
  ) throws(Diagnostic) -> [ImportedValue] {
    var result = try call.value(0)
    for index in call.inputs.indices.dropFirst() {
      let other = try call.value(index)
      let shape = try common(call.shape(of: result), call.shape(of: other))
      result = try combine(
        try stretched(result, to: shape, call), try stretched(other, to: shape, call))
    }
    return [.value(result)]
  }

  /// The shape that both can be repeated to; dimensions are counted from the last.
  static func common(_ a: Shape, _ b: Shape) throws(Diagnostic) -> Shape {
    let rank = max(a.rank, b.rank)
    var extents: [Int] = []
    for dimension in 0..<rank {
      let (first, second) = (extent(a, dimension, rank), extent(b, dimension, rank))
      guard first == second || first == 1 || second == 1 else {
        throw Diagnostic("its inputs have the shapes \(a) and \(b), which do not fit together")
      }
      extents.append(max(first, second))
    }
    return try Shape(extents)
  }

  private static func extent(_ shape: Shape, _ dimension: Int, _ rank: Int) -> Int {
    let own = dimension - (rank - shape.rank)
    return own < 0 ? 1 : shape[own]
  }

  /// The value repeated; the last dimensions are its own.
  static func stretched(
    _ value: ValueID, to shape: Shape, _ call: NodeCall
  ) throws(Diagnostic) -> ValueID {
    let rank = call.shape(of: value).rank
    guard rank <= shape.rank else {
      throw Diagnostic("a tensor of shape \(call.shape(of: value)) does not fit into \(shape)")
    }
    return try call.broadcast(
      value, to: shape, dimensions: Array(shape.rank - rank..<shape.rank))
  }

  // MARK: Known numbers

  /// Nil where one of the inputs is no known number.
  private static func folded(
    _ call: NodeCall, integers: IntegerFunction, floats: (Float, Float) -> Float
  ) throws(Diagnostic) -> [ImportedValue]? {
    guard var result = call.inputs.first else { return nil }
    for other in call.inputs.dropFirst() {
      switch (result, other) {
      case (.integers(let a), .integers(let b)):
        let (extents, pairs) = try pairs(a.extents, a.values, b.extents, b.values)
        var values: [Int] = []
        for (first, second) in pairs {
          let (value, overflow) = integers(first, second)
          guard !overflow else {
            throw Diagnostic("a size of the network is too large, or is divided by 0")
          }
          values.append(value)
        }
        result = .integers(try KnownIntegers(extents, values))
      case (.floats(let a), .floats(let b)):
        let (extents, pairs) = try pairs(a.shape.extents, a.values, b.shape.extents, b.values)
        result = .floats(try Tensor(try Shape(extents), pairs.map { floats($0.0, $0.1) }))
      default: return nil
      }
    }
    switch result {
    case .integers, .floats: return [result]
    default: return nil
    }
  }

  /// Elements that meet where known numbers are repeated along dimensions of one element.
  private static func pairs<Value>(
    _ extents: [Int], _ a: [Value], _ others: [Int], _ b: [Value]
  ) throws(Diagnostic) -> (extents: [Int], pairs: [(Value, Value)]) {
    let shape = try common(try Shape(extents), try Shape(others))
    func places(_ extents: [Int]) throws(Diagnostic) -> [Int] {
      let all = try KnownIntegers(extents, Array(0..<extents.reduce(1, *)))
      return try all.stretched(to: shape.extents).values
    }
    let meeting = try zip(places(extents), places(others)).map { (a[$0], b[$1]) }
    return (shape.extents, meeting)
  }
}
