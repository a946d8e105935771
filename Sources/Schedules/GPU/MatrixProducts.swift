import LoopIR
import Tensors

/// A tile whose warps multiply fragments of matrices out of shared memory.
protocol ProductTile: BlockTile {
  var arithmetic: MatrixArithmetic { get }
  /// Matrices of 16 rows that a warp multiplies with each fragment of the other factor.
  var tiles: Int { get }
}

extension ProductTile {
  var shape: MatrixShape { arithmetic.shape }

  /// Channels that a thread reads at once; all threads that read together then read different banks.
  var span: Int { inputs / 4 }

  /// Products of matrices that use up what a thread reads at once.
  var steps: Int { inputs / shape.depth }

  func sums(_ name: String, _ counts: [Int], _ names: inout NameSupply) -> Buffer {
    Buffer(
      names.fresh(name), shape.sum, extents: [threads] + counts + [MatrixShape.sumCount],
      space: .register)
  }

  func factors(
    _ name: String, _ counts: [Int], _ elements: Int, _ names: inout NameSupply
  ) -> [Buffer] {
    ["", "_low"].prefix(arithmetic.copies).map {
      Buffer(
        names.fresh(name + $0), arithmetic.fragment,
        extents: [threads] + counts + [steps, elements], space: .register)
    }
  }
}

/// A staged convolution whose warps multiply matrices on tensor cores.
protocol ProductKernel: StagedKernel where Tile: ProductTile {
  /// Fragments: [thread, tile, ..., element].
  var sum: Buffer { get }
  /// Of few products, where they are summed up on their own: [thread, tile, element].
  var own: Buffer? { get }
  /// Fragments of the second factor: [thread, step, element]; twice where factors are split.
  var right: [Buffer] { get }
}

/// Raises numbers by half a unit of tf32's last place, on average, so that what is cut off errs to both sides. That
/// takes half the instructions of rounding, and NaN stays NaN.
private let raise = 1 + 0x1p-11 / 1.5

// MARK: Sums

extension ProductKernel {
  /// What adds products to the sums of a place, or to sums of their own that are added to them at the end.
  func addingUp(
    _ place: [Expression],
    _ products: (_ total: Buffer, _ place: [Expression]) -> [Statement]
  ) -> [Statement] {
    guard let own else { return products(sum, place) }
    return [clear(own)] + products(own, []) + [add(own, place)]
  }

  private func clear(_ own: Buffer) -> Statement {
    perThread { thread in
      overElements { [.store(own.name, [thread, $0, $1], .real(0, own.element))] }
    }
  }

  private func add(_ own: Buffer, _ inner: [Expression]) -> Statement {
    perThread { thread in
      overElements { tile, element in
        let place = [thread, tile] + inner + [element]
        let total = Expression.load(sum.name, place) + .load(own.name, [thread, tile, element])
        return [.store(sum.name, place, total)]
      }
    }
  }

  func overElements(
    _ body: (_ tile: Expression, _ element: Expression) -> [Statement]
  ) -> [Statement] {
    let (tile, element) = (names.fresh("m"), names.fresh("e"))
    return unrolled(
      tile, self.tile.tiles,
      vector(element, MatrixShape.sumCount, body(.variable(tile), .variable(element))))
  }
}

// MARK: Products

extension ProductKernel {
  /// What is multiplied with what, the smallest products first.
  private func factors(_ left: [Buffer]) -> [(left: Buffer, right: Buffer)] {
    guard left.count == 2 else { return [(left[0], right[0])] }
    return [(left[1], right[0]), (left[0], right[1]), (left[0], right[0])]
  }

  /// Neighbouring products have different sums, so that they need not wait for each other; a tile's fragments in `left`
  /// have the number that `number` makes of it.
  func multiply(
    to total: Buffer, _ part: [Expression], _ left: [Buffer],
    _ number: (_ tile: Expression) -> Expression
  ) -> [Statement] {
    factors(left).flatMap { left, right in
      let (tile, step) = (names.fresh("m"), names.fresh("s"))
      let product = MatrixProduct(
        sum: .init(total.name, [.variable(tile)] + part),
        left: .init(left.name, [number(.variable(tile)), .variable(step)]),
        right: .init(right.name, [.variable(step)]))
      return unrolled(
        step, self.tile.steps, unrolled(tile, self.tile.tiles, [.multiply(product)]))
    }
  }

  /// Reads a thread's channels at once and puts them into fragments: `source` gives the value of a channel,
  /// `register` which register of a fragment has the first or second half of the depth.
  func load(
    _ member: Expression, to fragments: [Buffer], _ prefix: [Expression],
    _ source: (Expression) -> Expression, register: (Expression) -> Expression
  ) -> [Statement] {
    let row = Buffer(
      names.fresh("row"), tile.arithmetic.element, extents: [tile.span], space: .register)
    let (lane, element) = (names.fresh("l"), names.fresh("i"))
    let (step, half) = (names.fresh("s"), names.fresh("k"))
    let channel = member * .integer(tile.span) + .variable(lane)
    let read = vector(
      lane, tile.span, [.store(row.name, [.variable(lane)], source(channel))])
    let packing = Expression.integer(tile.shape.packing)
    let first = (.variable(step) * .integer(2) + .variable(half)) * packing
    let value = Expression.load(row.name, [first + .variable(element)])
    let place =
      prefix + [.variable(step), register(.variable(half)) * packing + .variable(element)]
    let copy = vector(element, tile.shape.packing, store(value, to: fragments, place))
    return [.allocate(row)] + read + unrolled(step, tile.steps, unrolled(half, 2, copy))
  }

  func store(
    _ value: Expression, to fragments: [Buffer], _ place: [Expression]
  ) -> [Statement] {
    tile.arithmetic.store(value, to: fragments, place, &names)
  }
}

extension MatrixArithmetic {
  /// One value from shared memory, in float64 where sums are, or its high and low part.
  func store(
    _ value: Expression, to fragments: [Buffer], _ place: [Expression], _ names: inout NameSupply
  ) -> [Statement] {
    guard fragments.count == 2 else {
      let converted = fragment == element ? value : .cast(fragment, value)
      return [.store(fragments[0].name, place, converted)]
    }
    let (whole, high) = (names.fresh("whole"), names.fresh("high"))
    let raised = Expression.variable(whole) * .real(raise, .f32)
    let low = Expression.variable(whole) - .variable(high)
    return [
      .bind(whole, value), .bind(high, .unary(.tf32TowardsZero, raised)),
      .store(fragments[0].name, place, .variable(high)),
      .store(fragments[1].name, place, .unary(.tf32TowardsZero, low)),
    ]
  }
}
