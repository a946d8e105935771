import LoopIR

/// A run of consecutive values of one dimension, of a size known at compile time.
struct Extent {
  var base: Expression
  var count: Int
}

/// Computes a tile of a reduction's results at once, all accumulators in registers.
///
/// The rewrite strip-mines columns and channels, gives each result of the tile its own accumulator, and moves the
/// tile's loops inside the reduction's loops:
/// ```
/// for c, x { sum = a; for ky, kx, i { sum = fma(p[x + kx, i], w[c, ...], sum) }; out[c, x] = sum }
/// ```
/// becomes, for a tile of T columns and V vectors of W channels,
/// ```
/// allocate sum[T, V W]
/// unrolled t, v; vectorized l { sum[t, v W + l] = a }
/// for ky, kx, i { unrolled t, v; vectorized l { sum[t, v W + l] = fma(p[x + t + kx, i], w[...], sum[...]) } }
/// unrolled t, v; vectorized l { out[...] = sum[t, v W + l] }
/// ```
/// A long sum of products in float32 is summed in blocks, each from zero in registers and then added to `sum`, so that
/// the rounding error grows with the length of a block and not with that of the whole sum.
/// Other results are the same to the bit.
struct ReductionTile {
  let nest: ReductionNest
  /// The nest's variables that the tile spans.
  let channelVariable: String
  let columnVariable: String
  let channels: Extent
  let columns: Extent
  /// Channels in one vector; divides the number of channels.
  let lanes: Int
  /// Reduction loops of at most this many iterations are unrolled (not the innermost one).
  let unrollLimit: Int

  /// Products in one block at least.
  ///
  /// Short blocks round less; adding up a block costs one addition and two memory accesses for each result of the
  /// tile, about 8 % of the time with 32 products (IR/decisions/0004).
  private static let blockLength = 32

  /// The tile's statements; all names they define come from `names`.
  func statements(_ names: inout NameSupply) -> [Statement] {
    var buffer = nest.accumulator
    buffer.name = names.fresh(buffer.name)
    buffer.extents = [columns.count, channels.count]
    buffer.strides = Buffer.rowMajor(buffer.extents)
    let start = overTile(&names) { place in
      [.store(buffer.name, place.accumulator, place.apply(nest.initial, buffer.name, nest))]
    }
    let end = overTile(&names) { place in
      place.apply(nest.tail, buffer.name, nest)
    }
    return [.allocate(buffer)] + start + accumulate(buffer.name, &names) + end
  }

  /// The reduction's loops around the tile's loops.
  private func accumulate(_ sum: String, _ names: inout NameSupply) -> [Statement] {
    var chain = ReductionChain(
      nest, inner: [channelVariable, columnVariable], unrollLimit: unrollLimit)
    chain.rename(&names)
    guard nest.isSumOfProducts, nest.accumulator.element == .f32,
      let level = chain.blockLevel(atLeast: Self.blockLength)
    else { return chain.wrapped(updates(of: sum, chain, &names)) }
    let part = Buffer(
      names.fresh("part"), .f32, extents: [columns.count, channels.count], space: .register)
    let block = block(part, addedTo: sum, &names)
    return chain.wrapped(updates(of: part.name, chain, &names), block: block, at: level)
  }

  /// Puts statements that add to `part` between those that clear it and those that add it to `total`.
  private func block(
    _ part: Buffer, addedTo total: String, _ names: inout NameSupply
  ) -> ([Statement]) -> [Statement] {
    let start = overTile(&names) { place in
      [.store(part.name, place.accumulator, .real(0, part.element))]
    }
    let end = overTile(&names) { place in
      [
        .store(
          total, place.accumulator,
          .load(total, place.accumulator) + .load(part.name, place.accumulator))
      ]
    }
    return { [.allocate(part)] + start + $0 + end }
  }

  /// One step of the reduction for every result of the tile.
  private func updates(
    of buffer: String, _ chain: ReductionChain, _ names: inout NameSupply
  ) -> [Statement] {
    overTile(&names) { place in
      var body: [Statement] = [
        .store(
          buffer, place.accumulator, place.apply(chain.renamed(nest.update), buffer, nest))
      ]
      for condition in chain.innerConditions {
        body = [
          .conditional(place.apply(condition, buffer, nest), then: body, otherwise: [])
        ]
      }
      return body
    }
  }

  /// Unrolled loops over columns and vectors, and a vectorized one over lanes, around what `body` makes.
  private func overTile(
    _ names: inout NameSupply, _ body: (Place) -> [Statement]
  ) -> [Statement] {
    let (t, v, l) = (names.fresh("t"), names.fresh("v"), names.fresh("l"))
    let vectors = channels.count / lanes
    let channel: Expression =
      vectors == 1 ? .variable(l) : .variable(v) * .integer(lanes) + .variable(l)
    let place = Place(
      accumulator: [.variable(t), channel],
      values: [
        channelVariable: channels.base + channel, columnVariable: columns.base + .variable(t),
      ])
    var statements = names.renamed(body(place))
    statements = [
      .loop(Loop(l, .integer(0), .integer(lanes), kind: .vectorized, body: statements))
    ]
    if vectors > 1 {
      statements = [
        .loop(Loop(v, .integer(0), .integer(vectors), kind: .unrolled, body: statements))
      ]
    }
    return [
      .loop(Loop(t, .integer(0), .integer(columns.count), kind: .unrolled, body: statements))
    ]
  }
}

/// One result inside a tile: the accumulator's indices, and what the nest's variables stand for.
struct Place {
  var accumulator: [Expression]
  var values: [String: Expression]

  func apply(_ expression: Expression, _ buffer: String, _ nest: ReductionNest) -> Expression {
    expression.mapExpressions { part in
      if case .load(nest.accumulator.name, _) = part { return .load(buffer, accumulator) }
      return part
    }.substituting(values)
  }

  func apply(_ statements: [Statement], _ buffer: String, _ nest: ReductionNest) -> [Statement] {
    statements.mapExpressions { apply($0, buffer, nest) }
  }
}
