import LoopIR
import Tensors

/// The place of a tile: image, first row and first column.
struct Tile {
  var image: Expression
  var row: Expression
  var column: Expression
}

/// The square tiles of all images of a batch, numbered over columns, rows and images.
struct TileGrid {
  /// Rows and columns of one tile.
  let extent: Int
  private let rows: Int
  private let columns: Int
  let count: Int

  init(extent: Int, images: Int, rows: Int, columns: Int) {
    self.extent = extent
    self.rows = (rows + extent - 1) / extent
    self.columns = (columns + extent - 1) / extent
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
        image: .variable(n), row: .variable(y) * .integer(extent),
        column: .variable(x) * .integer(extent))
    )
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
