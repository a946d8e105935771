import LoopIR
import Tensors

/// Sizes of a kernel's gradient by Winograd's algorithm.
struct WinogradGradientShape: Hashable {
  var transform: WinogradTransform
  /// Tiles that are transformed together.
  var tiles: Int
  /// Channels of the result that one task sums: its products stay in the second level cache.
  var outputs: Int
  var inputs: Int
  /// Output channels and vectors of input channels in one register tile; both divide what they split.
  var productOutputs: Int
  var productVectors: Int
  /// Channels in one vector.
  var inputLanes: Int
  var outputLanes: Int

  var products: Int { transform.inputs * transform.inputs }
}

/// Computes the gradient of a 3x3 kernel by Winograd's algorithm, the transpose of F(m x m, 3 x 3).
///
/// The result of a tile is Aᵀ ((G g Gᵀ) ⊙ (Bᵀ d B)) A; so g receives Gᵀ ((A dy Aᵀ) ⊙ (Bᵀ d B)) G, and the products can
/// be summed over all tiles before the last transform:
/// ```
/// parallel for parts of all tiles, blocks of o and of i {
///   for strips of the part's tiles {
///     for tiles { V[p, tile, i] = (Bᵀ d B)[p];  M[p, tile, o] = (A dy Aᵀ)[p] }
///     for p { U[p, o, i] += sum over tiles of M[p, tile, o] V[p, tile, i] }
///   }
/// }
/// parallel for o, i { dw[o, i] = Gᵀ (sum over parts of U[o, i]) G }
/// ```
/// Parts follow from the shapes and the target alone and are added in their order.
struct WinogradGradient {
  let nest: WinogradGradientNest
  let shape: WinogradGradientShape
  /// [task, product, output channel, input channel], tasks numbered over blocks of inputs, of outputs, and parts.
  let buffer: Buffer
  var names: NameSupply
  private let transformed: Buffer
  private let cotangents: Buffer

  /// Tasks at least, as far as there are strips: enough for any number of cores this is meant for to share evenly.
  private static let fewestTasks = 16

  init(_ nest: WinogradGradientNest, _ shape: WinogradGradientShape) {
    self.nest = nest
    self.shape = shape
    var names = NameSupply(nest.kernel)
    for name in nest.kernel.body.definedNames { _ = names.fresh(name) }
    let division = Division(nest, shape)
    buffer = Buffer(
      names.fresh("part"), .f32,
      extents: [division.tasks, shape.products, shape.outputs, shape.inputs],
      alignment: PlanMemory.alignment)
    transformed = TileGrid.planes(
      "transformed", products: shape.products, tiles: shape.tiles, channels: shape.inputs, &names)
    cotangents = TileGrid.planes(
      "cotangents", products: shape.products, tiles: shape.tiles, channels: shape.outputs, &names)
    self.names = names
  }

  /// Bytes of the local buffers: two sets of planes and some tiles.
  static func localBytes(_ shape: WinogradGradientShape) -> Int {
    let elements =
      (shape.inputs + shape.outputs) * shape.tiles + 3 * (shape.inputLanes + shape.outputLanes)
    return shape.products * (elements * ElementType.f32.byteCount + 2 * TileGrid.padding)
  }

  /// How the work is shared.
  struct Division {
    let grid: TileGrid
    let outputBlocks: Int
    let inputBlocks: Int
    /// Of all tiles, and of one part.
    let strips: Int
    let stripsInPart: Int
    let parts: Int
    var tasks: Int { parts * outputBlocks * inputBlocks }

    init(_ nest: WinogradGradientNest, _ shape: WinogradGradientShape) {
      grid = TileGrid(
        extent: shape.transform.outputs, images: nest.image.extent, rows: nest.row.extent,
        columns: nest.column.extent)
      outputBlocks = nest.output.extent / shape.outputs
      inputBlocks = nest.input.extent / shape.inputs
      strips = grid.strips(of: shape.tiles)
      let blocks = outputBlocks * inputBlocks
      let wanted = min(strips, (WinogradGradient.fewestTasks + blocks - 1) / blocks)
      stripsInPart = (strips + wanted - 1) / wanted
      parts = (strips + stripsInPart - 1) / stripsInPart
    }
  }

  // MARK: Parts

  /// Sums the products of each task; its last parameter is `buffer`.
  mutating func parts() -> Kernel {
    let division = Division(nest, shape)
    let (task, part, strip) = (names.fresh("task"), names.fresh("g"), names.fresh("strip"))
    let (outputs, inputs) = (names.fresh("c"), names.fresh("i"))
    let blocks = division.outputBlocks * division.inputBlocks
    let inPart = Expression.binary(.remainder, .variable(task), .integer(blocks))
    let bindings: [Statement] = [
      .bind(part, .binary(.divide, .variable(task), .integer(blocks))),
      .bind(
        outputs,
        .binary(.divide, inPart, .integer(division.inputBlocks)) * .integer(shape.outputs)),
      .bind(
        inputs,
        .binary(.remainder, inPart, .integer(division.inputBlocks)) * .integer(shape.inputs)),
    ]
    let firstStrip = .variable(part) * .integer(division.stripsInPart)
    let end = Expression.binary(
      .minimum, .integer(division.stripsInPart), .integer(division.strips) - firstStrip)
    let body = stripBody(
      task, (firstStrip + .variable(strip)) * .integer(shape.tiles), division.grid,
      outputs: .variable(outputs), inputs: .variable(inputs))
    let strips = Statement.loop(Loop(strip, .integer(0), end, body: body))
    var result = nest.kernel
    result.name += "_winograd\(shape.transform.label)_parts"
    let used = nest.nest.update.loadedBuffers
    result.parameters = nest.kernel.parameters.filter { used.contains($0.buffer.name) }
    result.parameters.append(KernelParameter(buffer, .write))
    result.body = [
      Statement.loop(
        Loop(
          task, .integer(0), .integer(division.tasks), kind: .parallel,
          body: bindings + cleared(task) + [strips]))
    ].simplified()
    return result
  }

  /// Zeros in all places of a task.
  private mutating func cleared(_ task: String) -> [Statement] {
    let (p, o, v) = (names.fresh("p"), names.fresh("o"), names.fresh("v"))
    let (target, lanes) = (buffer.name, shape.inputLanes)
    let store = overLanes { l in
      let place = [task, p, o].map(Expression.variable) + [.variable(v) * .integer(lanes) + l]
      return [.store(target, place, .real(0, .f32))]
    }
    return [
      loop(
        p, shape.products, [loop(o, shape.outputs, [loop(v, shape.inputs / lanes, [store])])])
    ]
  }

  /// Transforms of a strip's tiles, and their products.
  private mutating func stripBody(
    _ task: String, _ first: Expression, _ grid: TileGrid, outputs: Expression, inputs: Expression
  ) -> [Statement] {
    let (t, count) = (names.fresh("t"), names.fresh("count"))
    let (bindings, tile) = grid.place(
      first + .variable(t), isInRange: false, &names)
    let tiles =
      bindings + sourceTile(tile, .variable(t), inputs)
      + cotangentTile(tile, .variable(t), outputs)
    return [
      .bind(
        count, .binary(.minimum, .integer(shape.tiles), .integer(grid.count) - first)),
      .allocate(transformed), .allocate(cotangents),
      .loop(Loop(t, .integer(0), .variable(count), body: tiles)),
    ] + products(task, .variable(count))
  }

  private mutating func sourceTile(
    _ tile: Tile, _ t: Expression, _ first: Expression
  ) -> [Statement] {
    let nest = nest
    return transforms(
      TileTransform(matrix: shape.transform.inputMatrix, lanes: shape.inputLanes), tile, t,
      channels: (first, shape.inputs), into: transformed.name,
      conditions: { nest.sourceConditions(row: $0, column: $1) },
      element: { nest.source(image: tile.image, row: $0, column: $1, channel: $2) })
  }

  private mutating func cotangentTile(
    _ tile: Tile, _ t: Expression, _ first: Expression
  ) -> [Statement] {
    let nest = nest
    return transforms(
      TileTransform(
        matrix: shape.transform.outputMatrix.transposed(), lanes: shape.outputLanes), tile, t,
      channels: (first, shape.outputs), into: cotangents.name,
      conditions: { nest.cotangentConditions(row: $0, column: $1) },
      element: { nest.cotangent(image: tile.image, row: $0, column: $1, channel: $2) })
  }

  /// The planes of a tile's channels from the first on; where some of its elements are outside, they are gathered.
  private mutating func transforms(
    _ map: TileTransform, _ tile: Tile, _ t: Expression,
    channels: (first: Expression, count: Int), into planes: String,
    conditions: @escaping (Expression, Expression) -> [Expression],
    element: @escaping (Expression, Expression, Expression) -> Expression
  ) -> [Statement] {
    let size = Expression.integer(map.matrix.count)
    let last = Expression.integer(map.size - 1)
    func vectors(isInside: Bool) -> [Statement] {
      let v = names.fresh("v")
      func channel(_ lane: Expression) -> Expression { .variable(v) * .integer(map.lanes) + lane }
      let load: TileTransform.Load = { row, column, lane in
        element(tile.row + row, tile.column + column, channels.first + channel(lane))
      }
      let store: TileTransform.Store = { row, column, value, lane, _ in
        [.store(planes, [row * size + .integer(column), t, channel(lane)], value)]
      }
      let body =
        isInside
        ? map.statements(&names, load: load, store: store)
        : map.gathered(
          &names, inside: { .conjunction(conditions(tile.row + $0, tile.column + $1)) },
          load: load, store: store)
      return [loop(v, channels.count / map.lanes, body)]
    }
    let isInside = Expression.conjunction(
      conditions(tile.row, tile.column) + conditions(tile.row + last, tile.column + last))
    return [
      .conditional(
        isInside, then: vectors(isInside: true), otherwise: vectors(isInside: false))
    ]
  }

  /// For each of the (m + 2)² products, the matrix [outputs, tiles] times [tiles, inputs], added to the task's sums.
  private mutating func products(_ task: String, _ tiles: Expression) -> [Statement] {
    let (p, group, block, t) = (
      names.fresh("p"), names.fresh("group"), names.fresh("block"), names.fresh("t")
    )
    let vector = shape.productVectors * shape.inputLanes
    let sum = Buffer(
      names.fresh("sum"), .f32, extents: [shape.productOutputs, vector], space: .register)
    let (source, cotangents, target) = (transformed.name, cotangents.name, buffer.name)
    let firstOutput = .variable(group) * .integer(shape.productOutputs)
    let firstInput = .variable(block) * .integer(vector)
    let start = overProducts { .store(sum.name, [$0, $1], .real(0, .f32)) }
    let step = overProducts { o, i in
      .store(
        sum.name, [o, i],
        .fma(
          .load(cotangents, [.variable(p), .variable(t), firstOutput + o]),
          .load(source, [.variable(p), .variable(t), firstInput + i]),
          .load(sum.name, [o, i])))
    }
    let end = overProducts { o, i in
      let place = [.variable(task), .variable(p), firstOutput + o, firstInput + i]
      return .store(target, place, .load(target, place) + .load(sum.name, [o, i]))
    }
    let body =
      [.allocate(sum)] + start + [.loop(Loop(t, .integer(0), tiles, body: step))] + end
    return [
      loop(
        p, shape.products,
        [
          loop(
            group, shape.outputs / shape.productOutputs,
            [loop(block, shape.inputs / vector, body)])
        ])
    ]
  }

  /// Unrolled loops over outputs and vectors of inputs of one register tile, and a vectorized one over lanes.
  private mutating func overProducts(
    _ body: (Expression, Expression) -> Statement
  ) -> [Statement] {
    let (o, v) = (names.fresh("o"), names.fresh("v"))
    let lanes = shape.inputLanes
    let vector = overLanes { l in
      [body(.variable(o), .variable(v) * .integer(lanes) + l)]
    }
    return [
      loop(
        o, shape.productOutputs, kind: .unrolled,
        [loop(v, shape.productVectors, kind: .unrolled, [vector])])
    ]
  }

  func loop(
    _ variable: String, _ count: Int, kind: LoopKind = .serial, _ body: [Statement]
  ) -> Statement {
    .loop(Loop(variable, .integer(0), .integer(count), kind: kind, body: body))
  }

  mutating func overLanes(_ body: (Expression) -> [Statement]) -> Statement {
    let l = names.fresh("l")
    return loop(l, shape.inputLanes, kind: .vectorized, body(.variable(l)))
  }
}
