/// How one kernel is computed: what the cost model chooses unless a schedule file says otherwise.
public enum KernelChoice: Hashable, Sendable {
  /// The direct sum, in register tiles of so many columns and vectors of channels.
  case direct(columns: Int, vectors: Int)
  /// Winograd's algorithm: its transform (`2x2`, `4x4`, `4x4u`), the tiles of one strip, and the tiles and vectors of
  /// channels in one register tile of the products.
  case winograd(transform: String, tiles: Int, productTiles: Int, productVectors: Int)
  /// On a GPU: the tile of results that a block of threads computes, of one of several kinds.
  case tile(TileChoice)

  init(_ tile: CostModel.TileShape) {
    self = .direct(columns: tile.columns, vectors: tile.vectors)
  }

  /// Whether a scheduled kernel's name is that of a kernel by any choice, with what it does for later kernels.
  public static func names(_ scheduled: String, _ kernel: String) -> Bool {
    let others = ["_winograd"] + PooledResult.suffixes
    return scheduled == kernel || others.contains { scheduled.hasPrefix(kernel + $0) }
  }

  init(_ shape: WinogradShape) {
    self = .winograd(
      transform: shape.transform.label, tiles: shape.tiles, productTiles: shape.productTiles,
      productVectors: shape.productVectors)
  }
}

extension KernelChoice: CustomStringConvertible {
  /// As schedule files have it.
  public var description: String {
    switch self {
    case .direct(let columns, let vectors):
      return "direct {columns = \(columns), vectors = \(vectors)}"
    case .winograd(let transform, let tiles, let productTiles, let productVectors):
      return
        "winograd {transform = \"\(transform)\", tiles = \(tiles), product_tiles = \(productTiles), "
        + "product_vectors = \(productVectors)}"
    case .tile(let tile): return tile.description
    }
  }
}
