import LoopIR

/// Writes a convolution as blocks of threads, each of which computes a tile of results.
protocol BlockKernel: ThreadsKernel, TiledKernel {
  associatedtype Tile: GridTile
  var form: StagedConvolution { get }
  var tile: Tile { get }
  var at: BlockVariables { get }
}

extension BlockKernel {
  var threads: Int { tile.threads }
}

/// Fresh names of what is the same for all threads of a block.
struct BlockVariables {
  let block: String
  let chunk: String
  let slot: String
  let place: TilePlace
  let firstChannel: String

  init(_ form: StagedConvolution, _ names: inout NameSupply) {
    block = names.fresh("block")
    chunk = names.fresh("chunk")
    slot = names.fresh("slot")
    place = TilePlace(form, &names)
    firstChannel = names.fresh("c0")
  }

  var image: String { place.image }
  var firstRow: String { place.firstRow }
  var firstColumn: String { place.firstColumn }
}

/// Fresh names of where a tile of pixels is.
struct TilePlace {
  let image: String
  let firstRow: String
  let firstColumn: String

  init(_ form: StagedConvolution, _ names: inout NameSupply) {
    image = names.fresh(form.image.name)
    firstRow = names.fresh("y0")
    firstColumn = names.fresh("x0")
  }
}

extension BlockKernel {
  /// The kernel whose blocks do what the body says.
  func onGrid(_ body: [Statement]) -> Kernel {
    var result = form.kernel
    result.body = [
      Statement.loop(
        Loop(at.block, .integer(0), .integer(tile.blockCount(form)), kind: .gpuBlock, body: body))
    ].simplified()
    return result
  }

  /// Where the block is: neighbours share their pixels and differ in channels.
  func places() -> [Statement] {
    [channelPlace()]
      + bind(at.place, to: split(.variable(at.block), by: tile.channelBlocks(form)).1)
  }

  func channelPlace() -> Statement {
    let number = split(.variable(at.block), by: tile.channelBlocks(form)).0
    return .bind(at.firstChannel, number * .integer(tile.blockChannels))
  }

  /// Where a tile of pixels is, by its number: first those beside each other, then those below.
  func bind(_ place: TilePlace, to number: Expression) -> [Statement] {
    let (column, rest) = split(number, by: tile.blockColumns(form))
    let (row, image) = split(rest, by: tile.blockRows(form))
    return [
      .bind(place.firstColumn, column * .integer(tile.width)),
      .bind(place.firstRow, row * .integer(tile.height)), .bind(place.image, image),
    ]
  }

  /// The nest's tail for one result, with fresh names and the sum in place of the accumulator.
  func tail(
    of sum: Expression, channel: Expression, row: Expression, column: Expression
  ) -> [Statement] {
    let values = [
      form.image.name: .variable(at.image), form.channel.name: channel, form.row.name: row,
      form.column.name: column,
    ]
    let accumulator = form.nest.accumulator.name
    return names.renamed(form.nest.tail).mapExpressions { expression in
      expression.mapExpressions { part in
        if case .load(accumulator, _) = part { return sum }
        return part
      }.substituting(values)
    }
  }
}

extension BlockKernel where Tile: ThreadTile {
  /// Unrolled rows and vectorized channels around what `body` makes of them.
  func overResults(
    _ body: (_ row: Expression, _ channel: Expression) -> [Statement]
  ) -> [Statement] {
    let (row, lane) = (names.fresh("p"), names.fresh("l"))
    return unrolled(
      row, tile.rows, vector(lane, tile.channels, body(.variable(row), .variable(lane))))
  }
}
