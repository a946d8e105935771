import LoopIR
import Tensors

/// The place of a tile: image, first row and first column, and the steps to the next ones.
struct Tile {
  var image: Expression
  var row: Expression
  var column: Expression
  var steps = (rows: 1, columns: 1)

  /// A row, or column, of the tile, counted from the first.
  func row(_ number: Expression) -> Expression { row + Self.scaled(number, steps.rows) }
  func column(_ number: Expression) -> Expression { column + Self.scaled(number, steps.columns) }

  private static func scaled(_ number: Expression, _ step: Int) -> Expression {
    step == 1 ? number : number * .integer(step)
  }
}

/// The square tiles of all images of a batch, numbered over columns, rows and images.
///
/// Where a kernel is dilated, a result sees every so many pixels alone: rows and columns of a tile are as far apart, and
/// neighbouring tiles lie between each other. Some may be empty then.
struct TileGrid {
  /// Rows and columns of one tile.
  let extent: Int
  let steps: (rows: Int, columns: Int)
  private let rows: Int
  private let columns: Int
  let count: Int

  init(
    extent: Int, images: Int, rows: Int, columns: Int, steps: (rows: Int, columns: Int) = (1, 1)
  ) {
    self.extent = extent
    self.steps = steps
    func tiles(_ count: Int, _ step: Int) -> Int {
      let own = (count + step - 1) / step
      return (own + extent - 1) / extent * step
    }
    self.rows = tiles(rows, steps.rows)
    self.columns = tiles(columns, steps.columns)
    count = self.rows * self.columns * images
  }

  /// Runs of so many tiles; the last one may have fewer.
  func strips(of tiles: Int) -> Int { (count + tiles - 1) / tiles }

  /// Binds the place of the tile of the given number; beyond the last one it is the last one's.
  func place(
    _ number: Expression, isInRange: Bool, _ names: inout NameSupply
  ) -> (bindings: [Statement], tile: Tile) {
    let tile = names.fresh("tile")
    let (n, y, x) = (names.fresh("n"), names.fresh("y"), names.fresh("x"))
    let inImage = Expression.binary(.remainder, .variable(tile), .integer(rows * columns))
    return (
      [
        .bind(tile, isInRange ? number : .binary(.minimum, number, .integer(count - 1))),
        .bind(n, .binary(.divide, .variable(tile), .integer(rows * columns))),
        .bind(y, .binary(.divide, inImage, .integer(columns))),
        .bind(x, .binary(.remainder, inImage, .integer(columns))),
      ],
      Tile(
        image: .variable(n), row: first(.variable(y), steps.rows),
        column: first(.variable(x), steps.columns), steps: steps)
    )
  }

  /// The first row or column of a tile.
  private func first(_ number: Expression, _ step: Int) -> Expression {
    if step == 1 { return number * .integer(extent) }
    return .binary(.divide, number, .integer(step)) * .integer(extent * step)
      + .binary(.remainder, number, .integer(step))
  }

  /// What tiles of so many channels become, [product, tile, channel]: planes a power of two apart would share few
  /// cache sets, so each is a cache line further from the next.
  static func planes(
    _ name: String, products: Int, tiles: Int, channels: Int, _ names: inout NameSupply
  ) -> Buffer {
    let plane = tiles * channels + padding / ElementType.f32.byteCount
    return Buffer(
      names.fresh(name), .f32, extents: [products, tiles, channels],
      strides: [plane, channels, 1], space: .stack)
  }

  /// Bytes by which planes are further apart than they need be.
  static let padding = 64
}
