import Diagnostics
import Tensors

/// Kinds of expressions and bounds of accesses.
extension KernelVerifier {
  /// L9: `what` names the expression in the message.
  func require(
    _ expression: Expression, _ expected: ValueKind, _ what: String
  ) throws(Diagnostic) {
    let kind = try self.kind(of: expression)
    guard kind == expected else {
      throw broken(
        "L9", "\(what), '\(LoopPrinter.text(expression))', is \(kind.text), not \(expected.text)")
    }
  }

  /// The kind of a whole expression; throws where some part of it breaks a constraint.
  func kind(of expression: Expression) throws(Diagnostic) -> ValueKind {
    try kind(of: expression, depth: 1)
  }

  private func kind(of expression: Expression, depth: Int) throws(Diagnostic) -> ValueKind {
    guard depth <= LoopParser.maximumNesting else {
      throw broken(
        "L24", "an expression is nested more than \(LoopParser.maximumNesting) deep",
        help: "bind parts of it with 'let'")
    }
    var kinds: [ValueKind] = []
    for child in expression.children { kinds.append(try kind(of: child, depth: depth + 1)) }
    switch expression {
    case .integer(let value):
      guard value != Int.min else { throw broken("L24", "the index constant \(value) has no text") }
      return .index
    case .real(_, let type): return .element(try float(type, in: expression))
    case .variable(let name): return try variable(name)
    case .load(let name, let indices):
      let buffer = try self.buffer(name).buffer
      try verifyAccess(buffer, indices, kinds)
      return .element(buffer.element)
    case .unary(let op, _): return try kind(op, kinds[0], in: expression)
    case .binary(let op, _, _): return try kind(op, kinds[0], kinds[1], in: expression)
    case .fma:
      guard case .element = kinds[0], kinds[1] == kinds[0], kinds[2] == kinds[0] else {
        throw wrong(expression, kinds)
      }
      return kinds[0]
    case .select:
      guard kinds[0] == .boolean, kinds[1] == kinds[2] else { throw wrong(expression, kinds) }
      return kinds[1]
    case .cast(let type, _):
      guard kinds[0] != .boolean else { throw wrong(expression, kinds) }
      return .element(try float(type, in: expression))
    }
  }

  private func float(
    _ type: ElementType, in expression: Expression
  ) throws(Diagnostic) -> ElementType {
    guard type.isFloat else {
      throw broken("L9", "'\(LoopPrinter.text(expression))' is not a floating-point type's value")
    }
    return type
  }

  private func kind(
    _ op: UnaryOperator, _ operand: ValueKind, in expression: Expression
  ) throws(Diagnostic) -> ValueKind {
    let fits: Bool
    switch op {
    case .negate, .abs: fits = operand != .boolean
    case .sqrt, .exp, .log, .tanh, .erf, .atan, .floor, .round:
      fits = operand != .boolean && operand != .index
    case .sin, .cos: fits = operand != .boolean && operand != .index && operand != .element(.f64)
    case .tf32, .tf32TowardsZero: fits = operand == .element(.f32)
    case .not: fits = operand == .boolean
    }
    guard fits else { throw wrong(expression, [operand]) }
    return operand
  }

  private func kind(
    _ op: BinaryOperator, _ a: ValueKind, _ b: ValueKind, in expression: Expression
  ) throws(Diagnostic) -> ValueKind {
    let fits: Bool
    switch op {
    case .add, .subtract, .multiply, .divide, .minimum, .maximum, .less, .lessOrEqual, .equal:
      fits = a == b && a != .boolean
    case .remainder: fits = a == .index && b == .index
    case .and, .or: fits = a == .boolean && b == .boolean
    }
    guard fits else { throw wrong(expression, [a, b]) }
    return op.isComparison ? .boolean : a
  }

  private func wrong(_ expression: Expression, _ kinds: [ValueKind]) -> Diagnostic {
    let found = kinds.map(\.text).joined(separator: ", ")
    return broken(
      "L9", "the operands of '\(LoopPrinter.text(expression))' do not fit: \(found)",
      help: "nothing is converted unless a cast such as f32(...) says so")
  }
}

// MARK: Names and accesses

extension KernelVerifier {
  private func variable(_ name: String) throws(Diagnostic) -> ValueKind {
    switch scope.names[name] {
    case .variable(let kind, _): return kind
    case .buffer:
      throw broken("L4", "%\(name) is a buffer; a variable was expected", help: "add its indices")
    case nil: throw broken("L4", "%\(name) is not defined here")
    }
  }

  func buffer(_ name: String) throws(Diagnostic) -> (buffer: Buffer, isWritable: Bool) {
    switch scope.names[name] {
    case .buffer(let buffer, let isWritable): return (buffer, isWritable)
    case .variable: throw broken("L4", "%\(name) is a variable; a buffer was expected")
    case nil: throw broken("L4", "%\(name) is not defined here")
    }
  }

  func verifyAccess(_ buffer: Buffer, _ indices: [Expression]) throws(Diagnostic) {
    var kinds: [ValueKind] = []
    for index in indices { kinds.append(try kind(of: index)) }
    try verifyAccess(buffer, indices, kinds)
  }

  /// L26.
  private func verifyThread(_ buffer: Buffer, _ indices: [Expression]) throws(Diagnostic) {
    guard scope.threadBuffers.contains(buffer.name) else { return }
    guard let thread = scope.thread, indices.first == .variable(thread) else {
      throw broken(
        "L26", "%\(buffer.name) is in the registers of each thread, and this is no thread's part",
        help: "use it in a gpu_thread loop, with the loop's variable as the first index")
    }
  }

  /// L10 and L12.
  private func verifyAccess(
    _ buffer: Buffer, _ indices: [Expression], _ kinds: [ValueKind]
  ) throws(Diagnostic) {
    guard indices.count == buffer.extents.count else {
      throw broken(
        "L10", "%\(buffer.name) has \(buffer.extents.count) dimensions, not \(indices.count)")
    }
    try verifyThread(buffer, indices)
    try verifyIndices(buffer, indices, kinds, dimensions: 0..<indices.count)
  }

  /// The indices of some dimensions.
  func verifyIndices(
    _ buffer: Buffer, _ indices: [Expression], dimensions: Range<Int>
  ) throws(Diagnostic) {
    guard indices.count == dimensions.count else {
      throw broken(
        "L10", "%\(buffer.name) has \(dimensions.count) dimensions here, not \(indices.count)")
    }
    var kinds: [ValueKind] = []
    for index in indices { kinds.append(try kind(of: index)) }
    try verifyIndices(buffer, indices, kinds, dimensions: dimensions)
  }

  private func verifyIndices(
    _ buffer: Buffer, _ indices: [Expression], _ kinds: [ValueKind], dimensions: Range<Int>
  ) throws(Diagnostic) {
    for (dimension, (index, kind)) in zip(dimensions, zip(indices, kinds)) {
      guard kind == .index else {
        throw broken(
          "L10",
          "index '\(LoopPrinter.text(index))' of %\(buffer.name) is \(kind.text), not an index")
      }
      let extent = buffer.extents[dimension]
      guard !scope.isDead, let range = index.simplifiedIndex(scope.ranges).interval(scope.ranges),
        range.isOutside(0..<extent)
      else { continue }
      throw broken(
        "L12",
        "index '\(LoopPrinter.text(index))' of %\(buffer.name) is always outside "
          + "0 ..< \(extent)")
    }
  }
}

extension ValueKind {
  /// As messages call it.
  var text: String {
    switch self {
    case .index: return "an index"
    case .boolean: return "a boolean"
    case .element(let type): return type.rawValue
    }
  }
}
