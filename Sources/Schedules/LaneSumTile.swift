import LoopIR

/// Computes results whose channels are too few to fill a vector: the lanes share the innermost reduction instead.
///
/// Each result has one partial sum a lane; the lanes are added in a tree at the end, so results differ from the
/// plain order by rounding only:
/// ```
/// for i { sum = fma(a[i], b[i], sum) }
/// ```
/// becomes
/// ```
/// vectorized l { part[l] = 0 }
/// for i.o { vectorized l { part[l] = fma(a[i.o L + l], b[i.o L + l], part[l]) } }
/// vectorized l < L/2 { part[l] = part[l] + part[l + L/2] }; ...
/// sum = initial + part[0]
/// ```
struct LaneSumTile {
  let nest: ReductionNest
  let channelVariable: String
  let columnVariable: String
  let channels: Extent
  let columns: Extent
  /// A power of two that divides the innermost reduction.
  let lanes: Int
  let unrollLimit: Int

  /// The lanes for a reduction of this extent: the largest power of two that divides it and fits.
  static func lanes(for extent: Int, atMost limit: Int) -> Int {
    var lanes = 1
    while lanes * 2 <= limit, extent % (lanes * 2) == 0 { lanes *= 2 }
    return lanes
  }

  func statements(_ names: inout NameSupply) -> [Statement] {
    let element = nest.accumulator.element
    let parts = Buffer(
      names.fresh("part"), element, extents: [columns.count, channels.count, lanes],
      space: .register)
    let sums = Buffer(
      names.fresh(nest.accumulator.name), element, extents: [columns.count, channels.count],
      space: .register)
    var statements: [Statement] = [.allocate(parts), .allocate(sums)]
    statements += overTile(&names) { place, names in
      [lane(&names, lanes) { .store(parts.name, place.accumulator + [$0], .real(0, element)) }]
    }
    statements += accumulate(parts.name, &names)
    statements += overTile(&names) { place, names in
      var tree: [Statement] = []
      var width = lanes / 2
      while width >= 1 {
        tree.append(
          lane(&names, width) { l in
            let upper: Expression = .load(
              parts.name, place.accumulator + [l + .integer(width)])
            let lower: Expression = .load(parts.name, place.accumulator + [l])
            return .store(parts.name, place.accumulator + [l], lower + upper)
          })
        width /= 2
      }
      let total: Expression = .load(parts.name, place.accumulator + [.integer(0)])
      tree.append(
        .store(
          sums.name, place.accumulator, place.apply(nest.initial, sums.name, nest) + total))
      return tree + names.renamed(place.apply(nest.tail, sums.name, nest))
    }
    return statements
  }

  private func accumulate(_ parts: String, _ names: inout NameSupply) -> [Statement] {
    guard let innermost = nest.reductions.last else { return [] }
    var shortened = nest
    for (position, step) in nest.steps.enumerated() {
      if case .loop(innermost) = step {
        shortened.steps[position] = .loop(
          .init(name: innermost.name, extent: innermost.extent / lanes))
      }
    }
    var chain = ReductionChain(
      shortened, inner: [channelVariable, columnVariable], unrollLimit: unrollLimit)
    chain.rename(&names)
    let group = chain.name(of: innermost.name)
    let inner = overTile(&names) { place, names in
      var body = [
        lane(&names, lanes) { l in
          var place = place
          place.accumulator.append(l)
          let value = chain.renamed(nest.update).substituting(
            group, with: .variable(group) * .integer(lanes) + l)
          return .store(parts, place.accumulator, place.apply(value, parts, nest))
        }
      ]
      for condition in chain.innerConditions {
        body = [
          .conditional(place.apply(condition, parts, nest), then: body, otherwise: [])
        ]
      }
      return body
    }
    return chain.wrapped(inner)
  }

  private func lane(
    _ names: inout NameSupply, _ count: Int, _ body: (Expression) -> Statement
  ) -> Statement {
    let l = names.fresh("l")
    return .loop(
      Loop(
        l, .integer(0), .integer(count), kind: .vectorized, body: [body(.variable(l))]))
  }

  private func overTile(
    _ names: inout NameSupply, _ body: (Place, inout NameSupply) -> [Statement]
  ) -> [Statement] {
    let (t, c) = (names.fresh("t"), names.fresh("v"))
    let place = Place(
      accumulator: [.variable(t), .variable(c)],
      values: [
        channelVariable: channels.base + .variable(c),
        columnVariable: columns.base + .variable(t),
      ])
    let inner = body(place, &names)
    let perChannel = Statement.loop(
      Loop(c, .integer(0), .integer(channels.count), kind: .unrolled, body: inner))
    return [
      .loop(
        Loop(t, .integer(0), .integer(columns.count), kind: .unrolled, body: [perChannel]))
    ]
  }
}
