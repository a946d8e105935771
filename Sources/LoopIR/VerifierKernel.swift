import Diagnostics

/// Checks one kernel's body, statement by statement, with the names in scope.
struct KernelVerifier {
  /// What a name stands for.
  enum Entity {
    /// `isUniform`: the same for all lanes of the vectorized loop around the place, if there is one.
    case variable(ValueKind, isUniform: Bool)
    case buffer(Buffer, isWritable: Bool)
  }

  /// What the enclosing statements mean for the ones inside; restored at the end of each block.
  struct Scope {
    var names: [String: Entity] = [:]
    /// Values of index variables, as far as they are known.
    var ranges: [String: Interval] = [:]
    /// Kinds of the enclosing loops, outermost first.
    var loops: [LoopKind] = []
    var depth = 0
    /// No iteration gets here, so bounds do not matter.
    var isDead = false
    /// The variable of the gpu_thread loop around the place.
    var thread: String?
    /// Register buffers of which each thread of a GPU block has a part.
    var threadBuffers: Set<String> = []
  }

  var scope = Scope()
  /// Every name defined so far, in scope or not.
  private var defined: Set<String> = []
  private var localBytes = 0
  /// Of a kernel that was read from a text.
  private let places: LoopPlaces.Kernel?
  /// How many statements have been met.
  private var statementCount = 0

  init(places: LoopPlaces.Kernel?) { self.places = places }

  mutating func verify(_ kernel: Kernel) throws(Diagnostic) {
    for (number, parameter) in kernel.parameters.enumerated() {
      do { try verify(parameter) } catch { throw error.located(at: places?.parameters[number]) }
    }
    try verify(kernel.body)
  }

  private mutating func verify(_ parameter: KernelParameter) throws(Diagnostic) {
    let buffer = parameter.buffer
    try LoopVerifier.verify(buffer)
    guard buffer.space == .heap else {
      throw broken(
        "L6", "parameter %\(buffer.name) is in \(buffer.space.rawValue) memory, not heap")
    }
    if parameter.access.writes { try LoopVerifier.verifyDistinctElements(buffer) }
    try define(buffer.name, .buffer(buffer, isWritable: parameter.access.writes))
  }

  func broken(_ constraint: String, _ message: String, help: String? = nil) -> Diagnostic {
    LoopVerifier.broken(constraint, message, help: help)
  }

  /// L1 and L3.
  mutating func define(_ name: String, _ entity: Entity) throws(Diagnostic) {
    try LoopVerifier.checkName(name, of: "variable or buffer")
    guard defined.insert(name).inserted else {
      throw broken("L3", "%\(name) is defined twice", help: "give each definition its own name")
    }
    scope.names[name] = entity
  }

  private mutating func verify(_ statements: [Statement]) throws(Diagnostic) {
    let outer = scope
    scope.depth += 1
    // The kernel's own braces are one more level in the text.
    guard scope.depth <= LoopParser.maximumNesting else {
      throw broken("L24", "statements are nested more than \(LoopParser.maximumNesting) deep")
    }
    for statement in statements {
      let number = statementCount
      statementCount += 1
      do { try verify(statement) } catch { throw error.located(at: places?.statements[number]) }
    }
    scope = outer
  }

  private mutating func verify(_ statement: Statement) throws(Diagnostic) {
    switch statement {
    case .loop(let loop): try verify(loop)
    case .bind(let name, let value): try verifyBinding(name, value)
    case .store(let buffer, let indices, let value):
      try verifyStore(buffer, indices, value)
    case .conditional(let condition, let then, let otherwise):
      try require(condition, .boolean, "the condition")
      let isDead = scope.isDead
      let truth = condition.simplified(scope.ranges).truth(scope.ranges)
      scope.isDead = isDead || truth == false
      try verify(then)
      scope.isDead = isDead || truth == true
      try verify(otherwise)
      scope.isDead = isDead
    case .allocate(let buffer): try verifyAllocation(buffer)
    case .barrier: try verifyBetweenThreads("barrier")
    case .copy(let copy): try verify(copy)
    case .commitGroup: try verifyBetweenThreads("commit_group")
    case .waitGroup(let groups): try verifyWait(groups)
    case .loadMatrices(let load): try verify(load)
    case .multiply(let product): try verify(product)
    case .warpGroup(let step): try verify(step)
    case .call(let name, _):
      throw broken("L17", "the call of @\(name) is inside a kernel; only programs call")
    case .block(_, let body): try verify(body)
    }
  }

  private mutating func verifyBinding(_ name: String, _ value: Expression) throws(Diagnostic) {
    let kind = try self.kind(of: value)
    try define(name, .variable(kind, isUniform: isUniform(value)))
    if kind == .index { scope.ranges[name] = value.simplifiedIndex().interval(scope.ranges) }
  }

  private mutating func verifyStore(
    _ name: String, _ indices: [Expression], _ value: Expression
  ) throws(Diagnostic) {
    let (buffer, isWritable) = try self.buffer(name)
    guard isWritable else {
      throw broken(
        "L11", "%\(name) is an 'in' parameter and cannot be stored to", help: "declare it 'out'")
    }
    try verifyAccess(buffer, indices)
    try require(value, .element(buffer.element), "what is stored to %\(name)")
  }

  /// L5 to L8 and the place of each memory space.
  private mutating func verifyAllocation(_ buffer: Buffer) throws(Diagnostic) {
    try LoopVerifier.verify(buffer)
    try LoopVerifier.verifyDistinctElements(buffer)
    let isVectorized = scope.loops.contains(.vectorized)
    switch buffer.space {
    case .register: break
    case .stack where !isVectorized: break
    case .shared where scope.loops.contains(.gpuBlock) && !scope.loops.contains(.gpuThread): break
    case .heap:
      throw broken(
        "L6", "local buffer %\(buffer.name) is in heap memory",
        help: "allocate it in stack, register or shared memory")
    case .stack, .shared:
      let constraint = isVectorized ? "L15" : "L6"
      throw broken(
        constraint, "\(buffer.space.rawValue) buffer %\(buffer.name) cannot be allocated here")
    }
    localBytes += min(buffer.byteCount, LoopVerifier.maximumLocalBytes + 1)
    guard localBytes <= LoopVerifier.maximumLocalBytes else {
      throw broken(
        "L7", "local buffers take more than \(LoopVerifier.maximumLocalBytes) bytes",
        help: "use smaller tiles, or a temporary of the module")
    }
    try define(buffer.name, .buffer(buffer, isWritable: true))
    if buffer.space == .register, scope.loops.contains(.gpuBlock), scope.thread == nil {
      scope.threadBuffers.insert(buffer.name)
    }
  }
}

// MARK: Loops

extension KernelVerifier {
  private mutating func verify(_ loop: Loop) throws(Diagnostic) {
    try require(loop.lower, .index, "the lower bound of %\(loop.variable)")
    try require(loop.upper, .index, "the upper bound of %\(loop.variable)")
    try verifyExtent(loop)
    try verifyNesting(loop)
    let outer = scope
    let isLane = loop.kind == .vectorized
    try define(loop.variable, .variable(.index, isUniform: !isLane))
    scope.loops.append(loop.kind)
    if loop.kind == .gpuThread { scope.thread = loop.variable }
    if let low = loop.lower.simplifiedIndex().interval(scope.ranges),
      let high = loop.upper.simplifiedIndex().interval(scope.ranges)
    {
      if low.lower < high.upper {
        scope.ranges[loop.variable] = Interval(low.lower, high.upper - 1)
      } else {
        scope.isDead = true
      }
    }
    try verify(loop.body)
    scope = outer
  }

  /// L13.
  private func verifyExtent(_ loop: Loop) throws(Diagnostic) {
    let limit: Int
    switch loop.kind {
    case .vectorized: limit = LoopVerifier.maximumLanes
    case .unrolled: limit = LoopVerifier.maximumUnrolling
    case .gpuBlock: limit = LoopVerifier.maximumBlocks
    case .gpuThread: limit = LoopVerifier.maximumThreads
    case .serial, .parallel: return
    }
    guard let extent = loop.checkedConstantExtent else {
      throw broken(
        "L13", "the bounds of \(loop.kind.keyword) loop %\(loop.variable) are not constants",
        help: "split the loop, so that the inner one has a constant extent")
    }
    guard extent <= limit else {
      throw broken(
        "L13",
        "\(loop.kind.keyword) loop %\(loop.variable) has \(extent) iterations, more than \(limit)",
        help: "split the loop")
    }
  }

  /// L14 and L15: which loop may stand in which.
  private func verifyNesting(_ loop: Loop) throws(Diagnostic) {
    let name = "\(loop.kind.keyword) loop %\(loop.variable)"
    switch loop.kind {
    case .parallel where !scope.loops.isEmpty:
      throw broken("L14", "\(name) is inside another loop; parallel loops are outermost")
    case .gpuBlock where scope.loops.contains { $0 != .gpuBlock }:
      throw broken("L14", "\(name) is inside a loop that is not gpu_block")
    case .gpuThread where !scope.loops.contains(.gpuBlock):
      throw broken("L14", "\(name) is not inside a gpu_block loop")
    case .gpuThread where scope.thread != nil:
      throw broken("L14", "\(name) is inside another gpu_thread loop")
    default: break
    }
    guard scope.loops.contains(.vectorized) else { return }
    guard loop.kind == .serial || loop.kind == .unrolled else {
      throw broken("L15", "\(name) is inside a vectorized loop")
    }
    guard isUniform(loop.lower), isUniform(loop.upper) else {
      throw broken("L15", "the bounds of \(name) differ between lanes of the vectorized loop")
    }
  }

  /// Whether all lanes of the enclosing vectorized loop compute the same; true outside of one.
  func isUniform(_ expression: Expression) -> Bool {
    guard scope.loops.contains(.vectorized) else { return true }
    if case .load = expression { return false }
    if case .variable(let name) = expression,
      case .variable(_, let isUniform) = scope.names[name]
    {
      return isUniform
    }
    return expression.children.allSatisfy(isUniform)
  }
}

extension Loop {
  /// The number of iterations where both bounds are constants and it fits.
  var checkedConstantExtent: Int? {
    guard case .integer(let low) = lower, case .integer(let high) = upper else { return nil }
    let (extent, overflow) = high.subtractingReportingOverflow(low)
    return overflow ? nil : max(0, extent)
  }
}
