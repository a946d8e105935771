import LoopIR

/// The kernel of a chain: for each block the members' kernels, each scheduled for its part.
///
/// ```
/// parallel for blocks { allocate s; s = product(q, k); allocate m; m = maxima(s); s = exp(s - m); out = product(s, v) }
/// ```
/// Values are those of the members' own kernels: each part is scheduled as if it were all there is.
struct ChainKernel {
  private let chain: Chain
  private let module: LoopModule
  private let target: Target
  /// Parameters by the module's buffer.
  private var parameters: [(buffer: String, parameter: KernelParameter)] = []
  /// Stack buffers by the module's buffer.
  private var locals: [String: Buffer] = [:]
  private var names: NameSupply
  /// The first values of a block along its dimensions.
  private let origin: [Expression]
  private let places: [LoopNest.Dimension]

  init(_ chain: Chain, _ module: LoopModule, _ target: Target) {
    self.chain = chain
    self.module = module
    self.target = target
    names = NameSupply(Kernel("", parameters: [], body: []))
    places = chain.extents.enumerated().map { level, extent in
      // No kernel has such names.
      .init(
        name: "block.of.\(level)",
        extent: level == chain.levels - 1 ? extent / chain.last : extent)
    }
    origin = places.enumerated().map { level, place in
      if place.extent == 1 { return .integer(0) }
      let size = level == chain.levels - 1 ? chain.last : 1
      return .variable(place.name) * .integer(size)
    }
    for place in places { _ = names.fresh(place.name) }
  }

  /// The kernel, and the arguments of its call.
  mutating func scheduled() -> (kernel: Kernel, arguments: [String]) {
    for member in chain.members {
      for name in member.operands where !chain.produced.contains(name) { declare(name, .read) }
    }
    for member in chain.members where !chain.local.contains(member.result) {
      declare(member.result, .write)
    }
    let number = names.fresh("p")
    var body = [LoopNest.Dimension].places(.variable(number), places)
    for member in chain.members { body += statements(member) }
    let name = "\(chain.members[0].kernel.name)_to_\(chain.members.last?.kernel.name ?? "")"
    let kernel = Kernel(
      name, parameters: parameters.map(\.parameter),
      body: [
        Statement.loop(
          Loop(
            number, .integer(0), .integer(chain.blocks), kind: .parallel, body: body))
      ].simplified())
    return (kernel, parameters.map(\.buffer))
  }

  private mutating func declare(_ name: String, _ access: Access) {
    guard !parameters.contains(where: { $0.buffer == name }),
      var buffer = module.buffer(named: name)?.buffer
    else { return }
    buffer.name = names.fresh(access == .read ? "in\(parameters.count)" : "out")
    buffer.space = .heap
    parameters.append((name, KernelParameter(buffer, access)))
  }

  // MARK: Members

  /// A member's part of a block.
  private mutating func statements(_ member: ChainMember) -> [Statement] {
    let part = part(member)
    let scheduled = Scheduler.schedulePart(part, for: target).body.mapStatements {
      guard case .loop(var loop) = $0, loop.kind == .parallel else { return [$0] }
      loop.kind = .serial
      return [.loop(loop)]
    }
    let result = part.parameters[part.parameters.count - 1].buffer
    var body = names.renamed(scheduled)
    var allocation: [Statement] = []
    if !chain.local.contains(member.result) {
      body = body.shifting(
        result.name, Array(result.wideDimensions.prefix(chain.levels)), by: origin)
    } else if let place = reused(member, body, result) {
      locals[member.result] = locals[place]
      locals[place] = nil
      body = body.renaming([result.name: locals[member.result]?.name ?? ""])
    } else {
      allocation = [.allocate(result)]
      locals[member.result] = result
    }
    return allocation + body
  }

  /// An operand that is read for the last time, and only where the result is then stored, in the same order.
  private func reused(_ member: ChainMember, _ body: [Statement], _ result: Buffer) -> String? {
    let later = chain.members.filter { $0.call > member.call }.flatMap(\.operands)
    return member.operands.first { operand in
      guard var buffer = locals[operand], !later.contains(operand) else { return false }
      let name = buffer.name
      buffer.name = result.name
      return buffer == result && body.readsOnlyWhatItStores(name, result.name)
    }
  }

  /// The member's kernel for one block: loops over the block's values, buffers between members as the block has them, and
  /// operands at the block's place. The result's place, if in memory, is still that of the first block.
  private mutating func part(_ member: ChainMember) -> Kernel {
    var kernel = member.kernel
    var renamed: [String: String] = [:]
    var own: [String: Set<Int>] = [:]
    for (position, argument) in member.arguments.enumerated() {
      var buffer = kernel.parameters[position].buffer
      let old = buffer.name
      if let local = locals[argument] {
        own[local.name] = Set(buffer.wideDimensions.prefix(chain.levels))
        buffer = local
      } else if argument == member.result && chain.local.contains(argument) {
        buffer = local(buffer)
      } else if let parameter = parameters.first(where: { $0.buffer == argument })?.parameter {
        buffer.name = parameter.buffer.name
      }
      renamed[old] = buffer.name
      kernel.parameters[position].buffer = buffer
    }
    kernel.body = kernel.body.renaming(renamed)
    let dimensions = member.dimensions.prefix(chain.levels).map(\.name)
    let result = kernel.parameters[kernel.parameters.count - 1].buffer.name
    kernel.body = BlockPlaces(
      variables: dimensions, origin: origin, last: chain.last, local: own, result: result
    ).applied(to: kernel.body)
    return kernel
  }

  /// A result of a block, on the stack.
  private mutating func local(_ buffer: Buffer) -> Buffer {
    var extents = buffer.extents
    for (level, dimension) in buffer.wideDimensions.prefix(chain.levels).enumerated() {
      extents[dimension] = level == chain.levels - 1 ? chain.last : 1
    }
    return Buffer(names.fresh("block"), buffer.element, extents: extents, space: .stack)
  }
}

/// Makes a kernel's loops go over one block.
private struct BlockPlaces {
  /// The loops that are divided into blocks, and what a block begins with.
  let variables: [String]
  let origin: [Expression]
  /// Values of the last of them in a block.
  let last: Int
  /// Buffers that hold one block only, with the dimensions along which they do.
  let local: [String: Set<Int>]
  let result: String

  func applied(to body: [Statement]) -> [Statement] {
    body.map { statement in
      switch statement {
      case .loop(var loop):
        loop.body = applied(to: loop.body)
        if let level = variables.firstIndex(of: loop.variable) {
          loop.upper = .integer(level == variables.count - 1 ? last : 1)
        } else {
          (loop.lower, loop.upper) = (moved(loop.lower), moved(loop.upper))
        }
        return .loop(loop)
      case .store(result, let indices, let value):
        return .store(result, indices, moved(value))
      default:
        return statement.mapBodies(applied).mappingOwnExpressions(moved)
      }
    }
  }

  /// The expression with the variables' values in the whole, but for places in buffers that hold one block.
  private func moved(_ expression: Expression) -> Expression {
    switch expression {
    case .variable(let name):
      guard let level = variables.firstIndex(of: name) else { return expression }
      return origin[level] == .integer(0) ? expression : origin[level] + expression
    case .load(let name, let indices):
      let own = local[name] ?? []
      return .load(name, indices.enumerated().map { own.contains($0) ? $1 : moved($1) })
    default: return expression.mapChildren(moved)
    }
  }
}

extension Statement {
  /// Replaces its own whole expressions, and none of statements inside.
  fileprivate func mappingOwnExpressions(_ transform: (Expression) -> Expression) -> Statement {
    switch self {
    case .bind(let name, let value): return .bind(name, transform(value))
    case .store(let buffer, let indices, let value):
      return .store(buffer, indices.map(transform), transform(value))
    case .conditional(let condition, let then, let otherwise):
      return .conditional(transform(condition), then: then, otherwise: otherwise)
    default: return self
    }
  }
}

extension [Statement] {
  /// Stores to a buffer so much further along some dimensions.
  fileprivate func shifting(
    _ buffer: String, _ dimensions: [Int], by origin: [Expression]
  ) -> [Statement] {
    mapStatements {
      guard case .store(buffer, var indices, let value) = $0 else { return [$0] }
      for (dimension, start) in zip(dimensions, origin) {
        indices[dimension] = start + indices[dimension]
      }
      return [.store(buffer, indices, value)]
    }
  }
}
