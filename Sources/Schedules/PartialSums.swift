import LoopIR

/// Sums over what a kernel writes, added up by this kernel itself while its results are still in the cache.
///
/// ```
/// total = 0; for blocks of pixels { sum = 0; for pixels { sum = sum + term }; total = total + sum }
/// part[number] = total
/// ```
/// A part is what one iteration of the kernel's parallel loop writes, so parts do not depend on threads;
/// `ChannelSum.total` adds them up. Of squared deviations from a number that is not known yet, a part has its sum, those
/// from its own mean, and how many values it has (Chan, Golub and LeVeque 1983).
struct PartialSums {
  /// Loops over the pixels of one part.
  struct Loops {
    /// Around blocks of pixels, and around the pixels of one.
    var blocks: ([Statement]) -> [Statement]
    var pixels: ([Statement]) -> [Statement]
    /// Image, row and column of a pixel.
    var pixel: [Expression]

    /// A term, in which image, channel, row and column have the given names, at a channel of the pixel.
    fileprivate func value(
      _ term: Expression, _ names: [String], _ channel: Expression
    ) -> Expression {
      let place = [pixel[0], channel, pixel[1], pixel[2]]
      return term.substituting(Dictionary(uniqueKeysWithValues: zip(names, place)))
    }
  }

  /// Channels that are added up together, in vectors of so many lanes.
  struct Channels {
    var first: Expression
    var vectors: Int
    var lanes: Int
  }

  private struct Item {
    var sum: ChannelSum
    /// What is summed, by the kernel's names.
    var term: Expression
    /// [part, channel]; for deviations [sum, squares and count, part, channel].
    var parts: Buffer
  }

  private var items: [Item] = []
  /// What the kernel reads for the terms, and the parts: its further parameters, in the order of
  /// `ResultSum.arguments`.
  private(set) var parameters: [KernelParameter] = []

  var isEmpty: Bool { items.isEmpty }
  /// The parts of each sum.
  var parts: [Buffer] { items.map(\.parts) }

  /// Of a kernel that writes `result`, in so many iterations of its parallel loop.
  init(_ sums: [ResultSum], of result: Buffer, parts count: Int, _ names: inout NameSupply) {
    for item in sums {
      var own = Dictionary(uniqueKeysWithValues: item.results.map { ($0, result.name) })
      for operand in item.operands {
        var parameter = operand
        parameter.buffer.name = names.fresh("summed")
        own[operand.buffer.name] = parameter.buffer.name
        parameters.append(parameter)
      }
      let rows = item.sum.deviation == nil ? [] : [3]
      let parts = Buffer(
        names.fresh("part"), .f32, extents: rows + [count, result.extents[1]],
        alignment: PlanMemory.alignment)
      parameters.append(KernelParameter(parts, .write))
      items.append(Item(sum: item.sum, term: item.sum.summed.renaming(own), parts: parts))
    }
  }

  /// Adds up the part of the given number, whose results are written.
  func statements(
    part: Expression, _ channels: Channels, over loops: Loops, _ names: inout NameSupply
  ) -> [Statement] {
    var summing = Summing(channels: channels, loops: loops, names: names)
    var first: [Summing.Term] = []
    var second: [Summing.Term] = []
    var (means, stores): ([Statement], [Statement]) = ([], [])
    for item in items {
      let value = { loops.value(item.term, item.sum.pixel, $0) }
      let total = summing.accumulator("total")
      first.append(.init(total: total) { value($1) })
      guard item.sum.deviation != nil else {
        stores += summing.store(total, in: item.parts, [part])
        continue
      }
      let (count, mean) = (summing.accumulator("count"), summing.accumulator("mean"))
      let squares = summing.accumulator("squares")
      first.append(.init(total: count) { _, _ in .real(1, .f32) })
      means += summing.overVectors { place, _ in
        let quotient = Expression.binary(
          .divide, .load(total.name, [place]), .load(count.name, [place]))
        return [.store(mean.name, [place], quotient)]
      }
      second.append(
        .init(total: squares) { place, channel in
          let distance = value(channel) - .load(mean.name, [place])
          return distance * distance
        })
      for (row, buffer) in [total, squares, count].enumerated() {
        stores += summing.store(buffer, in: item.parts, [.integer(row), part])
      }
    }
    let passes = summing.added(first) + means + summing.added(second)
    names = summing.names
    return summing.allocations + passes + stores
  }
}

/// Makes the loops that add up terms for a few vectors of channels.
private struct Summing {
  /// What is added to `total` for each pixel; the functions take the channel's place in `total` and its number.
  struct Term {
    var total: Buffer
    var value: (_ place: Expression, _ channel: Expression) -> Expression
  }

  let channels: PartialSums.Channels
  let loops: PartialSums.Loops
  var names: NameSupply
  private(set) var allocations: [Statement] = []

  init(channels: PartialSums.Channels, loops: PartialSums.Loops, names: NameSupply) {
    self.channels = channels
    self.loops = loops
    self.names = names
  }

  /// One number for each channel.
  mutating func accumulator(_ name: String) -> Buffer {
    let buffer = register(name)
    allocations.append(.allocate(buffer))
    return buffer
  }

  private mutating func register(_ name: String) -> Buffer {
    Buffer(
      names.fresh(name), .f32, extents: [channels.vectors * channels.lanes], space: .register)
  }

  mutating func overVectors(
    _ body: (_ place: Expression, _ channel: Expression) -> [Statement]
  ) -> [Statement] {
    let (v, l) = (names.fresh("v"), names.fresh("l"))
    let place = .variable(v) * .integer(channels.lanes) + .variable(l)
    let vector = Loop(
      l, .integer(0), .integer(channels.lanes), kind: .vectorized,
      body: body(place, channels.first + place))
    return [
      .loop(
        Loop(
          v, .integer(0), .integer(channels.vectors), kind: .unrolled, body: [.loop(vector)]))
    ]
  }

  mutating func store(_ buffer: Buffer, in parts: Buffer, _ part: [Expression]) -> [Statement] {
    overVectors { [.store(parts.name, part + [$1], .load(buffer.name, [$0]))] }
  }

  /// Sums of all terms in one run of the loops.
  mutating func added(_ terms: [Term]) -> [Statement] {
    if terms.isEmpty { return [] }
    let sums = terms.map { _ in register("sum") }
    let pairs = zip(terms, sums)
    func load(_ buffer: Buffer, _ place: Expression) -> Expression { .load(buffer.name, [place]) }
    let start = overVectors { place, _ in
      terms.map { .store($0.total.name, [place], .real(0, .f32)) }
    }
    let clear = overVectors { place, _ in sums.map { .store($0.name, [place], .real(0, .f32)) } }
    let add = overVectors { place, channel in
      pairs.map { .store($1.name, [place], load($1, place) + $0.value(place, channel)) }
    }
    let end = overVectors { place, _ in
      pairs.map { .store($0.total.name, [place], load($0.total, place) + load($1, place)) }
    }
    let block = sums.map(Statement.allocate) + clear + loops.pixels(add) + end
    return start + names.renamed(loops.blocks(block))
  }
}
