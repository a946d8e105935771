import LoopIR

/// The part of a convolution's results that one block of threads computes.
protocol GridTile: Hashable {
  var threads: Int { get }
  /// Rows, columns and channels of results.
  var height: Int { get }
  var width: Int { get }
  var blockChannels: Int { get }
  /// Tiles of pixels that a block goes through one after another, with the same weights.
  var turns: Int { get }
}

/// A tile whose threads each have results below each other in neighbouring channels.
protocol ThreadTile: GridTile {
  var rows: Int { get }
  var channels: Int { get }
}

extension GridTile {
  var turns: Int { 1 }

  func blockCount(_ form: StagedConvolution) -> Int {
    pixelTiles(form) / turns * channelBlocks(form)
  }

  /// Tiles of pixels, of all images.
  func pixelTiles(_ form: StagedConvolution) -> Int {
    form.image.extent * blockRows(form) * blockColumns(form)
  }

  func blockRows(_ form: StagedConvolution) -> Int { (form.row.extent + height - 1) / height }
  func blockColumns(_ form: StagedConvolution) -> Int { (form.column.extent + width - 1) / width }
  func channelBlocks(_ form: StagedConvolution) -> Int {
    (form.channel.extent + blockChannels - 1) / blockChannels
  }

  /// The one of least cost; nil where there is none.
  static func best(_ tiles: [Self], _ cost: (Self) -> Double) -> Self? {
    var best: Self?
    var bestCost = Double.infinity
    for tile in tiles {
      let own = cost(tile)
      if own < bestCost { (best, bestCost) = (tile, own) }
    }
    return best
  }
}
