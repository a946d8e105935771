/// Walks over expressions and statements that schedules and checks are made of.
///
/// A name has one definition in a kernel (constraint L3), so substitution cannot capture anything.
extension Expression {
  /// The direct operands, in order.
  public var children: [Expression] {
    switch self {
    case .integer, .real, .variable: return []
    case .load(_, let indices): return indices
    case .unary(_, let a), .cast(_, let a): return [a]
    case .binary(_, let a, let b): return [a, b]
    case .fma(let a, let b, let c), .select(let a, let b, let c): return [a, b, c]
    }
  }

  /// The same expression with each direct operand replaced.
  public func mapChildren(_ transform: (Expression) -> Expression) -> Expression {
    switch self {
    case .integer, .real, .variable: return self
    case .load(let buffer, let indices): return .load(buffer, indices.map(transform))
    case .unary(let op, let a): return .unary(op, transform(a))
    case .cast(let type, let a): return .cast(type, transform(a))
    case .binary(let op, let a, let b): return .binary(op, transform(a), transform(b))
    case .fma(let a, let b, let c): return .fma(transform(a), transform(b), transform(c))
    case .select(let a, let b, let c): return .select(transform(a), transform(b), transform(c))
    }
  }

  /// Replaces every subexpression, operands first, then what is made of the new ones.
  public func mapExpressions(_ transform: (Expression) -> Expression) -> Expression {
    transform(mapChildren { $0.mapExpressions(transform) })
  }

  /// Visits every subexpression, the whole first.
  public func forEach(_ visit: (Expression) -> Void) {
    visit(self)
    for child in children { child.forEach(visit) }
  }

  /// Every subexpression, the whole first.
  public var subexpressions: [Expression] {
    var all: [Expression] = []
    forEach { all.append($0) }
    return all
  }

  public func forEachLoad(_ visit: (_ buffer: String, _ indices: [Expression]) -> Void) {
    forEach { if case .load(let buffer, let indices) = $0 { visit(buffer, indices) } }
  }

  /// Loop variables and `let`s that occur in it; buffers are not among them.
  public var variablesUsed: Set<String> {
    var names: Set<String> = []
    forEach { if case .variable(let name) = $0 { names.insert(name) } }
    return names
  }

  public func substituting(_ variable: String, with value: Expression) -> Expression {
    substituting([variable: value])
  }

  /// Replaces all the variables at once: values are not looked into again.
  public func substituting(_ values: [String: Expression]) -> Expression {
    mapExpressions {
      if case .variable(let name) = $0, let value = values[name] { return value }
      return $0
    }
  }

  /// Other names for variables and buffers.
  public func renaming(_ names: [String: String]) -> Expression {
    mapExpressions {
      switch $0 {
      case .variable(let name): return .variable(names[name] ?? name)
      case .load(let buffer, let indices): return .load(names[buffer] ?? buffer, indices)
      default: return $0
      }
    }
  }
}

extension Statement {
  /// The statement lists directly inside: a loop's body, both branches of a conditional.
  public var bodies: [[Statement]] {
    switch self {
    case .loop(let loop): return [loop.body]
    case .conditional(_, let then, let otherwise): return [then, otherwise]
    case .block(_, let body): return [body]
    case .bind, .store, .allocate, .barrier, .copy, .commitGroup, .waitGroup, .loadMatrices,
      .multiply, .warpGroup, .call:
      return []
    }
  }

  /// The same statement with the lists directly inside replaced.
  public func mapBodies(_ transform: ([Statement]) -> [Statement]) -> Statement {
    switch self {
    case .loop(var loop):
      loop.body = transform(loop.body)
      return .loop(loop)
    case .conditional(let condition, let then, let otherwise):
      return .conditional(condition, then: transform(then), otherwise: transform(otherwise))
    case .block(let label, let body): return .block(label, transform(body))
    case .bind, .store, .allocate, .barrier, .copy, .commitGroup, .waitGroup, .loadMatrices,
      .multiply, .warpGroup, .call:
      return self
    }
  }

  /// Its own expressions (bounds, indices, value, condition), without those of statements inside.
  public var expressions: [Expression] {
    switch self {
    case .loop(let loop): return [loop.lower, loop.upper]
    case .bind(_, let value): return [value]
    case .store(_, let indices, let value): return indices + [value]
    case .conditional(let condition, _, _): return [condition]
    case .multiply(let product): return product.fragments.flatMap(\.indices)
    case .warpGroup(let step): return step.product?.indices ?? []
    case .copy(let copy): return copy.expressions
    case .loadMatrices(let load): return load.expressions
    case .allocate, .barrier, .commitGroup, .waitGroup, .call, .block: return []
    }
  }

  /// Replaces its own whole expressions and those of all statements inside.
  public func mapExpressions(_ transform: (Expression) -> Expression) -> Statement {
    switch self {
    case .loop(var loop):
      loop.lower = transform(loop.lower)
      loop.upper = transform(loop.upper)
      loop.body = loop.body.mapExpressions(transform)
      return .loop(loop)
    case .bind(let name, let value): return .bind(name, transform(value))
    case .store(let buffer, let indices, let value):
      return .store(buffer, indices.map(transform), transform(value))
    case .conditional(let condition, let then, let otherwise):
      return .conditional(
        transform(condition), then: then.mapExpressions(transform),
        otherwise: otherwise.mapExpressions(transform))
    case .block(let label, let body): return .block(label, body.mapExpressions(transform))
    case .multiply(let product):
      return .multiply(
        product.mapFragments { .init($0.buffer, $0.indices.map(transform)) })
    case .warpGroup(let step): return .warpGroup(step.mapProduct { $0.map({ $0 }, transform) })
    case .copy(let copy): return .copy(copy.mapExpressions(transform))
    case .loadMatrices(let load): return .loadMatrices(load.mapExpressions(transform))
    case .allocate, .barrier, .commitGroup, .waitGroup, .call: return self
    }
  }

  /// The name that the statement itself defines: a loop variable, a `let`, a local buffer, a thread's number.
  public var definedName: String? {
    switch self {
    case .loop(let loop): return loop.variable
    case .bind(let name, _): return name
    case .allocate(let buffer): return buffer.name
    case .loadMatrices(let load): return load.thread
    case .store, .conditional, .barrier, .copy, .commitGroup, .waitGroup, .multiply, .warpGroup,
      .call, .block:
      return nil
    }
  }

  public func substituting(_ variable: String, with value: Expression) -> Statement {
    mapExpressions { $0.substituting(variable, with: value) }
  }

  /// Other names for variables and buffers, where they are defined and where they are used.
  public func renaming(_ names: [String: String]) -> Statement {
    func other(_ name: String) -> String { names[name] ?? name }
    switch self {
    case .loop(var loop):
      loop.variable = other(loop.variable)
      loop.lower = loop.lower.renaming(names)
      loop.upper = loop.upper.renaming(names)
      loop.body = loop.body.map { $0.renaming(names) }
      return .loop(loop)
    case .bind(let name, let value): return .bind(other(name), value.renaming(names))
    case .store(let buffer, let indices, let value):
      return .store(other(buffer), indices.map { $0.renaming(names) }, value.renaming(names))
    case .conditional(let condition, let then, let otherwise):
      return .conditional(
        condition.renaming(names), then: then.map { $0.renaming(names) },
        otherwise: otherwise.map { $0.renaming(names) })
    case .allocate(var buffer):
      buffer.name = other(buffer.name)
      return .allocate(buffer)
    case .call(let kernel, let arguments): return .call(kernel, arguments.map(other))
    case .multiply(let product):
      return .multiply(
        product.mapFragments {
          .init(other($0.buffer), $0.indices.map { $0.renaming(names) })
        })
    case .warpGroup(let step):
      return .warpGroup(step.mapProduct { $0.map(other) { $0.renaming(names) } })
    case .block(let label, let body): return .block(label, body.map { $0.renaming(names) })
    case .copy(var copy):
      copy = copy.mapExpressions { $0.renaming(names) }
      copy.buffer = other(copy.buffer)
      return .copy(copy)
    case .loadMatrices(let load): return .loadMatrices(load.renaming(names))
    case .barrier, .commitGroup, .waitGroup: return self
    }
  }
}

extension [Statement] {
  /// Replaces every statement by any number of others, those inside first.
  public func mapStatements(_ transform: (Statement) -> [Statement]) -> [Statement] {
    flatMap { statement in
      transform(statement.mapBodies { $0.mapStatements(transform) })
    }
  }

  public func mapExpressions(_ transform: (Expression) -> Expression) -> [Statement] {
    map { $0.mapExpressions(transform) }
  }

  /// Visits every statement in the order of the text, outer ones first.
  public func forEachStatement(_ visit: (Statement) -> Void) {
    for statement in self {
      visit(statement)
      for body in statement.bodies { body.forEachStatement(visit) }
    }
  }

  /// Visits every load, also those in indices, bounds and conditions, and those of matrices.
  public func forEachLoad(_ visit: (_ buffer: String, _ indices: [Expression]) -> Void) {
    forEachStatement {
      for expression in $0.expressions { expression.forEachLoad(visit) }
      if case .loadMatrices(let load) = $0 { visit(load.source, load.indices) }
    }
  }

  /// Visits every store, also those by copies.
  public func forEachStore(_ visit: (_ buffer: String, _ indices: [Expression]) -> Void) {
    forEachStatement {
      switch $0 {
      case .store(let buffer, let indices, _): visit(buffer, indices)
      case .copy(let copy): visit(copy.buffer, copy.indices)
      default: break
      }
    }
  }

  /// Loop variables and `let`s that occur in some expression.
  public var variablesUsed: Set<String> {
    var names: Set<String> = []
    forEachStatement {
      for expression in $0.expressions { names.formUnion(expression.variablesUsed) }
    }
    return names
  }

  /// Loop variables, `let`s and local buffers, in the order of the text.
  public var definedNames: [String] {
    var names: [String] = []
    forEachStatement { if let name = $0.definedName { names.append(name) } }
    return names
  }

  public func substituting(_ variable: String, with value: Expression) -> [Statement] {
    mapExpressions { $0.substituting(variable, with: value) }
  }

  public func renaming(_ names: [String: String]) -> [Statement] {
    map { $0.renaming(names) }
  }

  /// A copy for use beside the original: every name it defines gets the suffix.
  public func copy(suffix: String) -> [Statement] {
    var names: [String: String] = [:]
    for name in definedNames { names[name] = name + suffix }
    return renaming(names)
  }
}
