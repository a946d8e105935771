import LoopIR
import Tensors

/// A staged 3x3 convolution by Winograd's algorithm F(m x m, 3 x 3), whose warps multiply matrices on tensor cores.
///
/// ```
/// for chunk of input channels {
///   wait_group; barrier; start copies of a later chunk
///   gpu_thread t { planes[p, square, i] = (Bᵀ d B)[p] }     // d: the (m + 2)² pixels that a square of results sees
///   barrier
///   for place { sum[place, ...] += planes[p, ...] * weights[p, ...] }     // p: the warp's products, in turns
/// }
/// for run of output channels {
///   barrier; gpu_thread t { planes[p, square, c] = sum[...] }; barrier
///   gpu_thread t { tail(initial + (Aᵀ planes[...] A)[y, x]) }
/// }
/// ```
/// The weights are those that `WinogradMatrixWeights` makes. Each is read by one warp of a block, so that fragments are
/// split once; sums are other sums than those of the plain loops (IR/decisions/0006).
final class WinogradMatrixKernel: ProductKernel {
  let form: StagedConvolution
  let tile: WinogradTile
  let ring: StagingRing
  let at: BlockVariables
  var names: NameSupply
  /// Shared: [slot, row, column in its square, square, input].
  let pixels: Buffer
  /// Shared: [slot, product, channel, input].
  let weights: Buffer
  /// Shared: [product, square, input], and for the results [product, square, channel of the run].
  let planes: Buffer
  /// [thread, tile, place, part, element].
  let sum: Buffer
  let own: Buffer?
  /// [thread, tile, step, element].
  let left: [Buffer]
  let right: [Buffer]
  private let constant: WinogradMatrixWeights

  /// Nil where the weights are no parameter.
  init?(_ form: StagedConvolution, _ tile: WinogradTile, _ gpu: GPU) {
    guard let constant = WinogradMatrixWeights(form, tile.transform) else { return nil }
    (self.form, self.tile, self.constant) = (form, tile, constant)
    ring = tile.ring(form, gpu)
    var names = NameSupply(form.kernel)
    func shared(_ name: String, _ extents: [Int]) -> Buffer {
      Buffer(names.fresh(name), .f32, extents: extents, space: .shared)
    }
    pixels = shared(
      "pixels", [ring.slots, tile.stagedRows(form), tile.outputs, tile.across + 1, tile.inputs])
    weights = shared("weights", [ring.slots, tile.products, tile.blockChannels, tile.inputs])
    planes = shared("planes", [tile.products, tile.squares, tile.inputs])
    sum = tile.sums("sum", [tile.tiles, tile.places, tile.parts], &names)
    own = tile.sumsApart(form) ? tile.sums("part", [tile.tiles], &names) : nil
    left = tile.factors("left", [tile.tiles], tile.shape.leftCount, &names)
    right = tile.factors("right", [], tile.shape.rightCount, &names)
    at = BlockVariables(form, &names)
    self.names = names
  }

  var weightOrder: [Int] { [0, 1, 2, 3] }

  var buffers: [Buffer] {
    [weights, planes, sum] + (own.map { [$0] } ?? []) + left + right
  }

  var transformedWeights: TransformedWeights? { constant.transformed() }

  /// With the transformed weights in place of the weights.
  func scheduled() -> Kernel {
    var kernel = onGrid(block())
    for index in kernel.parameters.indices
    where kernel.parameters[index].buffer.name == form.weights {
      kernel.parameters[index].buffer = constant.buffer(form.weights)
    }
    return kernel
  }
}

// MARK: Staging

extension WinogradMatrixKernel {
  func staged(_ pixel: Expression) -> Expression { tile.arithmetic.factor(pixel, form.factors) }

  func pixelPlace(
    _ slot: Expression, _ row: Expression, _ column: Expression, _ run: StagedRun,
    _ lane: Expression
  ) -> [Expression] {
    let (inSquare, square) = split(column, by: tile.outputs)
    return [slot, row, inSquare, square, run.first + lane]
  }

  /// The chunk's transformed weights for the block's channels, in the order of the constant.
  func weightUnits(_ chunk: StagedChunk) -> StagedUnits {
    let lanes = 4
    func place(_ unit: Expression, _ lane: Expression) -> [Expression] {
      let (run, rest) = split(unit, by: tile.inputs / lanes)
      let (channel, product) = split(rest, by: tile.blockChannels)
      return [product, channel, run * .integer(lanes) + lane]
    }
    let count = tile.weightElements(form) / lanes
    return StagedUnits(count: count, lanes: lanes, shared: weights) { unit, lane in
      [chunk.slot] + place(unit, lane)
    } inside: { _ in
      []
    } values: { unit in
      StagedValues { [self] lane in
        let at = place(unit, lane)
        let channel = .variable(self.at.firstChannel) + at[1]
        return .load(
          form.weights, [at[0], channel, chunk.number * .integer(tile.inputs) + at[2]])
      }
    }
  }

  /// The results' first value is added at the end.
  func start(_ thread: Expression) -> [Statement] {
    let (place, part) = (names.fresh("w"), names.fresh("n"))
    let clear = overElements { tile, element in
      let at = [thread, tile, .variable(place), .variable(part), element]
      return [.store(sum.name, at, .real(0, sum.element))]
    }
    return unrolled(place, tile.places, unrolled(part, tile.parts, clear))
  }
}

// MARK: Products

extension WinogradMatrixKernel {
  func accumulate() -> [Statement] {
    let place = names.fresh("w")
    return [perThread(transformPixels), .barrier]
      + unrolled(place, tile.places, products(.variable(place)))
  }

  private func products(_ place: Expression) -> [Statement] {
    let part = names.fresh("n")
    let squares = perThread { loadSquares($0, place) }
    let channels = perThread { loadWeights($0, place, .variable(part)) }
    let sums = addingUp([place, .variable(part)]) { [channels] + multiply(to: $0, $1, left) { $0 } }
    return [squares] + unrolled(part, tile.parts, sums)
  }

  /// A thread's place in its warp as fragments count, and the warp's product of a turn.
  private func position(
    _ thread: Expression, _ place: Expression
  ) -> (product: Expression, group: Expression, member: Expression) {
    let (lane, warp) = split(thread, by: MatrixShape.warp)
    let (member, group) = split(lane, by: 4)
    return (warp * .integer(tile.places) + place, group, member)
  }

  /// Rows of A are squares.
  private func loadSquares(_ thread: Expression, _ place: Expression) -> [Statement] {
    let at = position(thread, place)
    let (tile, half) = (names.fresh("m"), names.fresh("h"))
    let row = Expression.variable(tile) * .integer(MatrixShape.rows)
    let square = row + .variable(half) * .integer(MatrixShape.rows / 2) + at.group
    let fragments = load(at.member, to: left, [thread, .variable(tile)]) {
      .load(planes.name, [at.product, square, $0])
    } register: {
      $0 * .integer(2) + .variable(half)
    }
    return unrolled(tile, self.tile.tiles, unrolled(half, 2, fragments))
  }

  /// Columns of B are channels.
  private func loadWeights(
    _ thread: Expression, _ place: Expression, _ part: Expression
  ) -> [Statement] {
    let at = position(thread, place)
    let (lane, member) = split(at.group, by: 2)
    let channel = self.channel(part, member, lane)
    return load(at.member, to: right, [thread]) {
      .load(weights.name, [.variable(self.at.slot), at.product, channel, $0])
    } register: {
      $0
    }
  }

  /// The channel of the block that a column of a part is: a thread's results of all parts of a run lie beside each other.
  private func channel(
    _ part: Expression, _ member: Expression, _ lane: Expression
  ) -> Expression {
    let parts = tile.inputs / MatrixShape.columns
    let (inRun, run) = split(part, by: parts)
    let neighbours = Expression.integer(2 * parts)
    return run * .integer(tile.inputs) + member * neighbours + inRun * .integer(2) + lane
  }
}

// MARK: Transforms

extension WinogradMatrixKernel {
  /// Squares and runs of a few channels, which threads take in turns.
  private func overSquares(
    _ thread: Expression,
    _ body: (_ column: Expression, _ row: Expression, _ channel: Expression) -> [Statement]
  ) -> [Statement] {
    let count = tile.squares * tile.inputs / tile.lanes
    let turns = (count + tile.threads - 1) / tile.threads
    let (turn, unit) = (names.fresh("turn"), names.fresh("unit"))
    let (run, square) = split(.variable(unit), by: tile.inputs / tile.lanes)
    let (column, row) = split(square, by: tile.across)
    var statements = body(column, row, run * .integer(tile.lanes))
    if count % tile.threads != 0 {
      statements = guarded([less(.variable(unit), count)], statements)
    }
    let index = .variable(turn) * .integer(tile.threads) + thread
    return [
      .loop(
        Loop(
          turn, .integer(0), .integer(turns),
          body: [.bind(unit, index)] + statements))
    ]
  }

  private func square(_ column: Expression, _ row: Expression) -> Expression {
    row * .integer(tile.across) + column
  }

  /// Bᵀ d B for each square.
  private func transformPixels(_ thread: Expression) -> [Statement] {
    let map = TileTransform(matrix: tile.transform.inputMatrix, lanes: tile.lanes)
    let size = Expression.integer(tile.transform.inputs)
    let outputs = Expression.integer(tile.outputs)
    return overSquares(thread) { column, row, channel in
      map.statements(
        &names,
        load: { y, x, lane in
          let (inSquare, beside) = split(x, by: tile.outputs)
          return .load(
            pixels.name,
            [.variable(at.slot), row * outputs + y, inSquare, column + beside, channel + lane])
        },
        store: { y, x, value, lane, _ in
          let place = [y * size + .integer(x), square(column, row), channel + lane]
          return [.store(planes.name, place, value)]
        })
    }
  }

  /// Runs of as many channels as the planes hold.
  func finish() -> [Statement] {
    let run = names.fresh("run")
    let steps: [Statement] = [
      .barrier, perThread { storeSums($0, .variable(run)) }, .barrier,
      perThread { results($0, .variable(run)) },
    ]
    return unrolled(run, tile.blockChannels / tile.inputs, steps)
  }

  private func storeSums(_ thread: Expression, _ run: Expression) -> [Statement] {
    let parts = tile.inputs / MatrixShape.columns
    let names = ["w", "m", "h", "n", "l"].map { self.names.fresh($0) }
    let v = names.map(Expression.variable)
    let at = position(thread, v[0])
    let square =
      v[1] * .integer(MatrixShape.rows) + v[2] * .integer(MatrixShape.rows / 2) + at.group
    let column = at.member * .integer(2 * parts) + v[3] * .integer(2) + v[4]
    let value = Expression.load(
      sum.name,
      [thread, v[1], v[0], run * .integer(parts) + v[3], v[2] * .integer(2) + v[4]])
    let copy = vector(names[4], 2, [.store(planes.name, [at.product, square, column], value)])
    let counts = [tile.places, tile.tiles, 2, parts]
    return zip(names, counts).reversed().reduce(copy) { unrolled($1.0, $1.1, $0) }
  }

  /// The nest's tail for every result of a square inside of the image.
  private func results(_ thread: Expression, _ run: Expression) -> [Statement] {
    let m = tile.outputs
    let map = TileTransform(matrix: tile.transform.outputMatrix, lanes: tile.lanes)
    let size = Expression.integer(tile.transform.inputs)
    return overSquares(thread) { column, row, channel in
      let values = Buffer(
        names.fresh("result"), .f32, extents: [m, m, tile.lanes], space: .register)
      let transform = map.statements(
        &names,
        load: { y, x, lane in
          .load(planes.name, [y * size + x, square(column, row), channel + lane])
        },
        store: { y, x, value, lane, _ in
          [.store(values.name, [y, .integer(x), lane], value)]
        })
      let (i, j, lane) = (names.fresh("i"), names.fresh("j"), names.fresh("l"))
      let first = .variable(at.firstChannel) + run * .integer(tile.inputs)
      let c = first + channel + .variable(lane)
      let y = .variable(at.firstRow) + row * .integer(m) + .variable(i)
      let x = .variable(at.firstColumn) + column * .integer(m) + .variable(j)
      let start = form.nest.initial.substituting(form.channel.name, with: c)
      let sum = Expression.load(values.name, [.variable(i), .variable(j), .variable(lane)])
      let tail = vector(
        lane, tile.lanes, tail(of: sum + start, channel: c, row: y, column: x))
      let inside = guarded([less(y, form.row.extent), less(x, form.column.extent)], tail)
      return [.allocate(values)] + transform + unrolled(i, m, unrolled(j, m, inside))
    }
  }
}
