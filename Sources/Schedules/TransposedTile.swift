import LoopIR

/// Elements whose operands have another dimension side by side than the result: computed tile by tile.
///
/// ```
/// for y { for x { for c { out[y, x, c] = f(a[c, y, x]) } } }
/// ```
/// becomes, for tiles of W columns and channels,
/// ```
/// for y { for x.o, c.o {
///   for c.i { vectorized x.i { tile[c.i, x.i] = a[c, y, x] } }
///   for x.i { vectorized c.i { out[y, x, c] = f(tile[c.i, x.i]) } }
/// } }
/// ```
/// so that every line of the cache that a tile touches is used as a whole while it is there.
struct TransposedTile {
  /// The dimension that lies side by side in the result, and the one that does in the operands.
  let result: LoopNest.Dimension
  let operand: LoopNest.Dimension
  var dimensions: [LoopNest.Dimension] { [result, operand] }

  private let body: [Statement]
  private let lanes: Int
  /// Loads of operands that lie otherwise than the result, with the type of their elements.
  private let loads: [(load: Expression, buffer: Buffer)]

  /// Fewer elements side by side are not worth a tile.
  private static let fewest = 4

  /// Nil where all operands lie as the result does, or some other way than this, or where elements take loops.
  init?(
    _ kernel: Kernel, _ nest: LoopNest, lanesAlong result: LoopNest.Dimension, _ target: Target
  ) {
    self.result = result
    body = nest.body
    lanes = target.floatLanes
    guard result.extent >= Self.fewest, nest.body.allSatisfy(\.bodies.isEmpty) else { return nil }
    var loads: [(load: Expression, buffer: Buffer)] = []
    var along: Set<String> = []
    nest.body.forEachLoad { name, indices in
      let load = Expression.load(name, indices)
      guard let buffer = kernel.parameters.first(where: { $0.buffer.name == name })?.buffer,
        let variable = Self.variable(besides: result.name, buffer, indices),
        !loads.contains(where: { $0.load == load })
      else { return }
      loads.append((load, buffer))
      along.insert(variable)
    }
    guard along.count == 1,
      let operand = nest.dimensions.first(where: { along.contains($0.name) }),
      operand.extent >= Self.fewest
    else { return nil }
    self.operand = operand
    self.loads = loads
  }

  /// The variable of the index whose elements lie side by side, where `result` is another index, alone.
  private static func variable(
    besides result: String, _ buffer: Buffer, _ indices: [Expression]
  ) -> String? {
    let names = indices.map { index -> String? in
      if case .variable(let name) = index { return name } else { return nil }
    }
    guard let place = names.firstIndex(of: result), buffer.strides[place] != 1,
      let unit = names.indices.first(where: { buffer.strides[$0] == 1 && buffer.extents[$0] > 1 }),
      let variable = names[unit]
    else { return nil }
    let others = indices.indices.filter { $0 != place && $0 != unit }
    let used = others.reduce(into: Set<String>()) { $0.formUnion(indices[$1].variablesUsed) }
    return used.isDisjoint(with: [result, variable]) ? variable : nil
  }

  func statements(_ names: inout NameSupply) -> [Statement] {
    overBlocks(of: result, &names) { first, count, names in
      overBlocks(of: operand, &names) { tile(($0, $1), (first, count), &$2) }
    }
  }

  /// Whole blocks in a loop, and what is left as a smaller one; `body` gets a block's first element and their number.
  private func overBlocks(
    of dimension: LoopNest.Dimension, _ names: inout NameSupply,
    _ body: (Expression, Int, inout NameSupply) -> [Statement]
  ) -> [Statement] {
    let whole = dimension.extent / lanes
    var statements: [Statement] = []
    if whole > 0 {
      let block = names.fresh("\(dimension.name).o")
      let inner = body(.variable(block) * .integer(lanes), lanes, &names)
      statements.append(.loop(Loop(block, .integer(0), .integer(whole), body: inner)))
    }
    let rest = dimension.extent % lanes
    return rest == 0 ? statements : statements + body(.integer(whole * lanes), rest, &names)
  }

  private func tile(
    _ columns: (first: Expression, count: Int), _ channels: (first: Expression, count: Int),
    _ names: inout NameSupply
  ) -> [Statement] {
    let (c, x) = (names.fresh("\(result.name).i"), names.fresh("\(operand.name).i"))
    let place = [
      result.name: channels.first + .variable(c), operand.name: columns.first + .variable(x),
    ]
    var statements: [Statement] = []
    var reads: [Statement] = []
    var replaced: [Expression: Expression] = [:]
    for (load, buffer) in loads {
      let tile = Buffer(
        names.fresh("tile"), buffer.element, extents: [channels.count, columns.count],
        space: .stack)
      let element = [Expression.variable(c), .variable(x)]
      statements.append(.allocate(tile))
      reads.append(.store(tile.name, element, load.substituting(place)))
      replaced[load] = .load(tile.name, element)
    }
    let columnsInside = Loop(
      x, .integer(0), .integer(columns.count), kind: .vectorized, body: reads)
    let read = Loop(c, .integer(0), .integer(channels.count), body: [.loop(columnsInside)])
    let writes = body.mapExpressions { expression in
      expression.mapExpressions { replaced[$0] ?? $0 }.substituting(place)
    }
    let channelsInside = Loop(
      c, .integer(0), .integer(channels.count), kind: .vectorized, body: names.renamed(writes))
    let write = Loop(x, .integer(0), .integer(columns.count), body: [.loop(channelsInside)])
    return statements + [.loop(read)] + names.renamed([.loop(write)])
  }
}
