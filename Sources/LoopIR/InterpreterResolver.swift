import Diagnostics
import Tensors

/// Turns a verified kernel into closures over slots, so that running it looks up no names.
struct Resolver {
  private enum Name {
    case variable(ValueKind, slot: Int)
    case buffer(Buffer, slot: Int)
  }

  private var names: [String: Name] = [:]
  private(set) var variables = 0
  private(set) var buffers = 0
  /// What products of warp groups use buffers for.
  private let productRoles: [String: ProductUse.Role]
  /// Concurrent loops around the statement at hand, and around the loop over GPU threads that it is in.
  private(set) var level = 0
  private(set) var threadLevel = 0

  init(_ kernel: Kernel) {
    productRoles = ProductUse.roles(in: kernel)
    for parameter in kernel.parameters { _ = define(parameter.buffer) }
  }

  private mutating func define(_ buffer: Buffer) -> Int {
    names[buffer.name] = .buffer(buffer, slot: buffers)
    buffers += 1
    return buffers - 1
  }

  mutating func define(_ variable: String, _ kind: ValueKind) -> Int {
    names[variable] = .variable(kind, slot: variables)
    variables += 1
    return variables - 1
  }

  /// What the verifier rules out.
  private func unverified(_ expression: Expression) -> Diagnostic {
    Diagnostic("'\(LoopPrinter.text(expression))' cannot be run: verify the module first")
  }
}

// MARK: Statements

extension Resolver {
  mutating func resolve(_ statements: [Statement]) throws(Diagnostic) -> StatementCode {
    var codes: [StatementCode] = []
    for statement in statements { codes.append(try resolve(statement)) }
    return { machine throws(Diagnostic) in
      for code in codes { try code(machine) }
    }
  }

  private mutating func resolve(_ statement: Statement) throws(Diagnostic) -> StatementCode {
    switch statement {
    case .loop(let loop): return try resolve(loop)
    case .bind(let name, let value): return try resolveBinding(name, value)
    case .store(let buffer, let indices, let value):
      let access = try access(buffer, indices)
      let value = try element(value)
      return { machine throws(Diagnostic) in try access.store(try value(machine), machine) }
    case .conditional(let condition, let then, let otherwise):
      let condition = try boolean(condition)
      let (first, second) = (try resolve(then), try resolve(otherwise))
      return { machine throws(Diagnostic) in
        if try condition(machine) { try first(machine) } else { try second(machine) }
      }
    case .allocate(let buffer):
      let slot = define(buffer)
      let (level, role) = (level, productRoles[buffer.name])
      return { machine in
        machine.memories[slot] = Memory(buffer, level: level)
        machine.memories[slot].products = role.map(ProductUse.init)
      }
    case .barrier: return { machine in machine.threadEpoch = machine.newEpoch() }
    case .copy(let copy): return try resolve(copy)
    case .commitGroup: return { machine in machine.commitGroup() }
    case .waitGroup(let groups):
      return { machine throws(Diagnostic) in try machine.waitGroup(groups) }
    case .loadMatrices(let load): return try resolve(load)
    case .multiply(let product): return try resolve(product)
    case .warpGroup(let step): return try resolve(step)
    case .block(_, let body): return try resolve(body)
    case .call(let kernel, _):
      throw Diagnostic("the call of @\(kernel) cannot be run: verify the module first")
    }
  }

  private mutating func resolveBinding(
    _ name: String, _ value: Expression
  ) throws(Diagnostic) -> StatementCode {
    switch try code(value) {
    case .index(let code):
      let slot = define(name, .index)
      return { machine throws(Diagnostic) in machine.integers[slot] = try code(machine) }
    case .boolean(let code):
      let slot = define(name, .boolean)
      return { machine throws(Diagnostic) in machine.booleans[slot] = try code(machine) }
    case .element(let type, let code):
      let slot = define(name, .element(type))
      return { machine throws(Diagnostic) in machine.elements[slot] = try code(machine) }
    }
  }

  private mutating func resolve(_ loop: Loop) throws(Diagnostic) -> StatementCode {
    let (lower, upper) = (try index(loop.lower), try index(loop.upper))
    let slot = define(loop.variable, .index)
    let kind = loop.kind
    let isConcurrent = kind != .serial && kind != .unrolled
    if kind == .gpuThread { threadLevel = level }
    if isConcurrent { level += 1 }
    defer { if isConcurrent { level -= 1 } }
    let body = try resolve(loop.body)
    guard isConcurrent else {
      return { machine throws(Diagnostic) in
        var value = try lower(machine)
        let end = try upper(machine)
        while value < end {
          machine.integers[slot] = value
          try body(machine)
          value += 1
        }
      }
    }
    let name = "\(kind.keyword) loop %\(loop.variable)"
    return { machine throws(Diagnostic) in
      var value = try lower(machine)
      let end = try upper(machine)
      machine.epochs.append(kind == .gpuThread ? machine.threadEpoch : machine.newEpoch())
      machine.iterations.append(value)
      machine.loops.append(name)
      while value < end {
        if kind == .gpuBlock { machine.startBlock() }
        machine.integers[slot] = value
        machine.iterations[machine.iterations.count - 1] = value
        try body(machine)
        value += 1
      }
      machine.epochs.removeLast()
      machine.iterations.removeLast()
      machine.loops.removeLast()
    }
  }
}

// MARK: Expressions

extension Resolver {
  func index(_ expression: Expression) throws(Diagnostic) -> IndexCode {
    guard case .index(let code) = try code(expression) else { throw unverified(expression) }
    return code
  }

  func boolean(_ expression: Expression) throws(Diagnostic) -> BooleanCode {
    guard case .boolean(let code) = try code(expression) else { throw unverified(expression) }
    return code
  }

  func element(_ expression: Expression) throws(Diagnostic) -> ElementCode {
    guard case .element(_, let code) = try code(expression) else { throw unverified(expression) }
    return code
  }

  func access(
    _ buffer: String, _ indices: [Expression]
  ) throws(Diagnostic) -> ElementAccess {
    guard case .buffer(_, let slot) = names[buffer] else {
      throw unverified(.load(buffer, indices))
    }
    var codes: [IndexCode] = []
    for expression in indices { codes.append(try index(expression)) }
    return ElementAccess(name: buffer, slot: slot, indices: codes)
  }

  private func code(_ expression: Expression) throws(Diagnostic) -> Code {
    switch expression {
    case .integer(let value): return .index { _ in value }
    case .real(let value, let type):
      let rounded = type.rounded(value)
      return .element(type) { _ in rounded }
    case .variable(let name): return try variable(name)
    case .load(let name, let indices):
      guard case .buffer(let buffer, _) = names[name] else { throw unverified(expression) }
      let access = try access(name, indices)
      return .element(buffer.element) { machine throws(Diagnostic) in try access.load(machine) }
    case .unary(let op, let a): return try unary(op, try code(a), in: expression)
    case .binary(let op, let a, let b):
      return try binary(op, try code(a), try code(b), in: expression)
    case .fma(let a, let b, let c):
      guard case .element(let type, let first) = try code(a) else { throw unverified(expression) }
      let (second, third) = (try element(b), try element(c))
      return .element(type) { machine throws(Diagnostic) in
        type.fusedMultiplyAdd(try first(machine), try second(machine), try third(machine))
      }
    case .select(let condition, let a, let b):
      return try select(try boolean(condition), try code(a), try code(b), in: expression)
    case .cast(let type, let a): return try cast(type, try code(a), in: expression)
    }
  }

  private func variable(_ name: String) throws(Diagnostic) -> Code {
    guard case .variable(let kind, let slot) = names[name] else {
      throw unverified(.variable(name))
    }
    switch kind {
    case .index: return .index { $0.integers[slot] }
    case .boolean: return .boolean { $0.booleans[slot] }
    case .element(let type): return .element(type) { $0.elements[slot] }
    }
  }

  private func unary(
    _ op: UnaryOperator, _ operand: Code, in expression: Expression
  ) throws(Diagnostic) -> Code {
    switch operand {
    case .index(let a):
      let subtracted = IndexArithmetic.operation(.subtract)
      guard op == .negate || op == .abs, let subtracted else { throw unverified(expression) }
      return .index { machine throws(Diagnostic) in
        let value = try a(machine)
        return op == .abs && value >= 0 ? value : try subtracted(machine, 0, value)
      }
    case .boolean(let a):
      guard op == .not else { throw unverified(expression) }
      return .boolean { machine throws(Diagnostic) in try !a(machine) }
    case .element(let type, let a):
      guard let operation = type.operation(op) else { throw unverified(expression) }
      return .element(type) { machine throws(Diagnostic) in operation(try a(machine)) }
    }
  }

  private func binary(
    _ op: BinaryOperator, _ left: Code, _ right: Code, in expression: Expression
  ) throws(Diagnostic) -> Code {
    switch (left, right) {
    case (.index(let a), .index(let b)):
      if let holds: (Int, Int) -> Bool = op.comparison() {
        return .boolean { machine throws(Diagnostic) in holds(try a(machine), try b(machine)) }
      }
      guard let operation = IndexArithmetic.operation(op) else { throw unverified(expression) }
      return .index { machine throws(Diagnostic) in
        try operation(machine, try a(machine), try b(machine))
      }
    case (.element(let type, let a), .element(_, let b)):
      if let holds: (Double, Double) -> Bool = op.comparison() {
        return .boolean { machine throws(Diagnostic) in holds(try a(machine), try b(machine)) }
      }
      guard let operation = type.operation(op) else { throw unverified(expression) }
      return .element(type) { machine throws(Diagnostic) in
        operation(try a(machine), try b(machine))
      }
    case (.boolean(let a), .boolean(let b)):
      guard op == .and || op == .or else { throw unverified(expression) }
      // Both sides are evaluated, as for `select`.
      return .boolean { machine throws(Diagnostic) in
        let (first, second) = (try a(machine), try b(machine))
        return op == .and ? first && second : first || second
      }
    default: throw unverified(expression)
    }
  }

  private func select(
    _ condition: @escaping BooleanCode, _ a: Code, _ b: Code, in expression: Expression
  ) throws(Diagnostic) -> Code {
    switch (a, b) {
    case (.index(let a), .index(let b)):
      return .index { machine throws(Diagnostic) in
        let (first, second) = (try a(machine), try b(machine))
        return try condition(machine) ? first : second
      }
    case (.boolean(let a), .boolean(let b)):
      return .boolean { machine throws(Diagnostic) in
        let (first, second) = (try a(machine), try b(machine))
        return try condition(machine) ? first : second
      }
    case (.element(let type, let a), .element(_, let b)):
      return .element(type) { machine throws(Diagnostic) in
        let (first, second) = (try a(machine), try b(machine))
        return try condition(machine) ? first : second
      }
    default: throw unverified(expression)
    }
  }

  private func cast(
    _ type: ElementType, _ operand: Code, in expression: Expression
  ) throws(Diagnostic) -> Code {
    switch operand {
    case .index(let a):
      return .element(type) { machine throws(Diagnostic) in type.rounded(try a(machine)) }
    case .element(_, let a):
      return .element(type) { machine throws(Diagnostic) in type.rounded(try a(machine)) }
    case .boolean: throw unverified(expression)
    }
  }
}
