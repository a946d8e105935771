import LoopIR
import Tensors

/// Sizes of a convolution by Winograd's algorithm.
struct WinogradShape: Hashable {
  var transform: WinogradTransform
  /// The products that need not be computed.
  var zeros: [WinogradZeros]
  /// Tiles that go through all steps together, so that what is in between stays in the second level cache.
  var tiles: Int
  /// Of volumes, the slices among them: as many tiles lie behind each other. 1 of images.
  var slices = 1
  /// Slices that a result looks at; 1 of images.
  var depth = 1
  /// Tiles and vectors of output channels in one register tile of the products; both divide what they split.
  var productTiles: Int
  var productVectors: Int
  /// Channels in one vector of inputs and of outputs.
  var inputLanes: Int
  var outputLanes: Int

  /// Output channels that are done together.
  var block: Int { productVectors * outputLanes }
  var products: Int { transform.inputs * transform.inputs }

  /// Tiles of inputs for so many results.
  var inputTiles: Int { tiles / slices * (slices + depth - 1) }
  /// Tiles beside each other, each of `slices` slices.
  var places: Int { tiles / slices }

  /// The part of all products of channels that is computed.
  var computedShare: Double {
    var (all, zero) = (0, 0)
    for part in zeros {
      all += products * part.channels.count
      zero += part.count(of: transform.inputs) * part.channels.count
    }
    return 1 - Double(zero) / Double(max(1, all))
  }
}

/// Computes a convolution by Winograd's algorithm F(m x m, r x r).
///
/// ```
/// parallel for strips of tiles {
///   for tiles { V[p, tile, i] = (Bᵀ d B)[p] }                     // d: the (m + r - 1)² elements that a tile reads
///   for blocks of output channels {
///     for p { M[p, tile, c] = sum over i of U[p, i, c] V[p, tile, i] }
///     for tiles { sum = (Aᵀ M A)[y, x]; tail(sum); pool the tile where a `PooledResult` is wanted }
///     add up what `PartialSums` wants of the results
///   }
/// }
/// ```
/// U is the transformed kernel (`WinogradWeights`). Tiles are numbered over rows, columns and images, so that
/// strips have one size; the last strip repeats its last tile. Sums are other sums than those of the plain loops,
/// with an error of their own (IR/decisions/0006).
struct WinogradKernel {
  let nest: WinogradNest
  let shape: WinogradShape
  var names: NameSupply
  let transformed: Buffer
  let product: Buffer
  private let weights: Buffer
  let strip: String
  /// Over the results; a part is a strip.
  private(set) var sums: PartialSums
  let pooled: PooledResult?

  init(_ nest: WinogradNest, _ shape: WinogradShape, _ work: ResultWork) {
    self.nest = nest
    self.shape = shape
    var names = NameSupply(nest.kernel)
    for name in nest.nest.outer.dimensions.map(\.name) { _ = names.fresh(name) }
    pooled = work.pooling.map { PooledResult($0, of: nest.result, &names) }
    strip = names.fresh("strip")
    transformed = TileGrid.planes(
      "transformed", products: shape.products, tiles: shape.inputTiles,
      channels: nest.input.extent / shape.depth, &names)
    product = TileGrid.planes(
      "products", products: shape.products, tiles: shape.tiles, channels: shape.block, &names)
    weights = Self.weights(nest, shape, name: nest.kernel.parameters[nest.weights].buffer.name)
    self.sums = PartialSums(
      work.sums, of: nest.result, parts: Self.strips(nest, shape), &names)
    self.names = names
  }

  /// The transformed kernels, [block, product, input channel, output channel of the block], in the order of reading.
  static func weights(_ nest: WinogradNest, _ shape: WinogradShape, name: String) -> Buffer {
    Buffer(
      name, .f32,
      extents: [
        nest.channel.extent / shape.block, shape.products, nest.input.extent, shape.block,
      ])
  }

  /// Bytes of the local buffers: two sets of planes and some tiles.
  static func localBytes(_ nest: WinogradNest, _ shape: WinogradShape) -> Int {
    let elements =
      nest.input.extent / shape.depth * shape.inputTiles + shape.block * shape.tiles
      + 3 * shape.inputLanes
      + 3 * shape.outputLanes
    return shape.products * (elements * ElementType.f32.byteCount + 2 * TileGrid.padding)
  }

  /// The same with a copy of the input's tiles for each operand of a concatenation, and each outcome of what else is
  /// selected: as much stack as the kernel takes.
  static func stackBytes(_ nest: WinogradNest, _ shape: WinogradShape) -> Int {
    let conditions = nest.operand.selectionConditions.map(\.variablesUsed)
    let operands = 1 + conditions.filter { $0.contains(nest.input.name) }.count
    let copies = operands * (operands > conditions.count ? 1 : 2)
    let tile = shape.products * shape.inputLanes * ElementType.f32.byteCount
    return localBytes(nest, shape) + 3 * (copies - 1) * tile
  }

  var m: Int { shape.transform.outputs }
  var grid: TileGrid { Self.grid(nest, shape) }

  /// Of all images; of volumes, of one slice.
  static func grid(_ nest: WinogradNest, _ shape: WinogradShape) -> TileGrid {
    TileGrid(
      extent: shape.transform.outputs, images: shape.depth > 1 ? 1 : nest.image.extent,
      rows: nest.row.extent, columns: nest.column.extent, steps: nest.dilation)
  }

  static func strips(_ nest: WinogradNest, _ shape: WinogradShape) -> Int {
    let strips = grid(nest, shape).strips(of: shape.places)
    return shape.depth > 1 ? nest.image.extent / shape.slices * strips : strips
  }

  /// The kernel under its new name, with transformed kernels in the place of the weights, and what its sums read and
  /// write, and the pooled image, before its result.
  mutating func scheduled() -> Kernel {
    var result = nest.kernel
    result.name +=
      "_winograd\(shape.transform.label)" + (sums.isEmpty ? "" : "_summed") + (pooled?.suffix ?? "")
    result.parameters[nest.weights].buffer = weights
    result.parameters.insert(contentsOf: sums.parameters, at: result.parameters.count - 1)
    if let pooled { result.parameters = pooled.parameters(result.parameters) }
    let block = names.fresh("block")
    let outputs = product(block) + output(block) + addedUp(block)
    let body =
      [.allocate(transformed)] + inputTiles()
      + [
        .allocate(product),
        .loop(
          Loop(
            block, .integer(0), .integer(nest.channel.extent / shape.block), body: outputs)),
      ]
    result.body = [
      Statement.loop(
        Loop(
          strip, .integer(0), .integer(Self.strips(nest, shape)), kind: .parallel, body: body))
    ].splitAtSelections(&names).simplified()
    return result
  }

  /// Binds the place of the strip's tile of the given number, which counts the slices at each place first; `slices` are
  /// those of the strip.
  mutating func place(
    _ number: Expression, slices: Int? = nil
  ) -> (bindings: [Statement], tile: Tile) {
    let (grid, slices) = (grid, Expression.integer(slices ?? shape.slices))
    let isInRange = grid.count % shape.places == 0
    guard shape.depth > 1 else {
      return grid.place(
        .variable(strip) * .integer(shape.tiles) + number, isInRange: isInRange, &names)
    }
    var (bindings, tile) = grid.place(
      firstPlace + .binary(.divide, number, slices), isInRange: isInRange, &names)
    let slice = names.fresh("slice")
    let first = Expression.binary(.divide, .variable(strip), stripsOfSlices)
    bindings.append(
      .bind(slice, first * .integer(shape.slices) + .binary(.remainder, number, slices)))
    tile.image = .variable(slice)
    return (bindings, tile)
  }

  /// Strips that show the same slices.
  private var stripsOfSlices: Expression { .integer(grid.strips(of: shape.places)) }

  /// The first place of the strip, of all places of a slice.
  private var firstPlace: Expression {
    .binary(.remainder, .variable(strip), stripsOfSlices) * .integer(shape.places)
  }

  /// Tiles of the strip that are not repeated.
  var tilesInStrip: Expression {
    let left =
      shape.depth > 1
      ? (.integer(grid.count) - firstPlace) * .integer(shape.slices)
      : .integer(grid.count) - .variable(strip) * .integer(shape.tiles)
    return .binary(.minimum, .integer(shape.tiles), left)
  }

  func lanes(_ l: String, _ count: Int, _ body: [Statement]) -> Statement {
    .loop(Loop(l, .integer(0), .integer(count), kind: .vectorized, body: body))
  }

  private func unrolled(_ variable: String, _ count: Int, _ body: [Statement]) -> Statement {
    .loop(Loop(variable, .integer(0), .integer(count), kind: .unrolled, body: body))
  }
}

// MARK: Products

extension WinogradKernel {
  /// For each of the (m + r - 1)² products, the matrix [tiles, inputs] times [inputs, block of outputs]; without the
  /// inputs for which it is zero.
  private mutating func product(_ block: String) -> [Statement] {
    let (p, group) = (names.fresh("p"), names.fresh("group"))
    let sum = Buffer(
      names.fresh("sum"), .f32, extents: [shape.productTiles, shape.block], space: .register)
    let first = .variable(group) * .integer(shape.productTiles)
    let (weights, transformed, product) = (weights.name, transformed.name, product.name)
    let start = overProducts { place in .store(sum.name, place, .real(0, .f32)) }
    let (slices, depth) = (shape.slices, shape.depth)
    let channels = nest.input.extent / depth
    let reduction = shape.zeros.flatMap { part in
      let i = names.fresh("i")
      let (start, end) = (part.channels.lowerBound, part.channels.upperBound)
      let tap = start / channels
      let step = overProducts { place in
        let tile = first + place[0]
        // Tiles of inputs at each place are more than those of results.
        let source =
          depth == 1
          ? tile
          : tile + .binary(.divide, tile, .integer(slices)) * .integer(depth - 1) + .integer(tap)
        return .store(
          sum.name, place,
          .fma(
            .load(transformed, [.variable(p), source, .variable(i) - .integer(tap * channels)]),
            .load(weights, [.variable(block), .variable(p), .variable(i), place[1]]),
            .load(sum.name, place)))
      }
      let sums = Statement.loop(Loop(i, .integer(start), .integer(end), body: step))
      guard let isZero = isZero(part, .variable(p)) else { return [sums] }
      return [.conditional(.unary(.not, isZero), then: [sums], otherwise: [])]
    }
    let end = overProducts { place in
      .store(product, [.variable(p), first + place[0], place[1]], .load(sum.name, place))
    }
    let groups = Statement.loop(
      Loop(
        group, .integer(0), .integer(shape.tiles / shape.productTiles),
        body: [.allocate(sum)] + start + reduction + end))
    return [.loop(Loop(p, .integer(0), .integer(shape.products), body: [groups]))]
  }

  /// Whether a product is zero for a part of the channels; nil where none is.
  private func isZero(_ part: WinogradZeros, _ product: Expression) -> Expression? {
    let size = Expression.integer(shape.transform.inputs)
    func equal(_ op: BinaryOperator, _ numbers: [Int]) -> [Expression] {
      numbers.map { .binary(.equal, .binary(op, product, size), .integer($0)) }
    }
    let cases = equal(.divide, part.rows) + equal(.remainder, part.columns)
    guard let first = cases.first else { return nil }
    return cases.dropFirst().reduce(first) { .binary(.or, $0, $1) }
  }

  /// Unrolled loops over tiles and vectors of one register tile, and a vectorized one over lanes.
  private mutating func overProducts(_ body: ([Expression]) -> Statement) -> [Statement] {
    let (t, v, l) = (names.fresh("t"), names.fresh("v"), names.fresh("l"))
    let channel = .variable(v) * .integer(shape.outputLanes) + .variable(l)
    let vector = lanes(l, shape.outputLanes, [body([.variable(t), channel])])
    return [unrolled(t, shape.productTiles, [unrolled(v, shape.productVectors, [vector])])]
  }
}
