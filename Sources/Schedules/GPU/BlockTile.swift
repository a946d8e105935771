import LoopIR
import Tensors

/// The part of a convolution's results that one block of threads computes, and how it sums them up.
protocol BlockTile: Hashable {
  var threads: Int { get }
  /// Rows, columns and channels of results.
  var height: Int { get }
  var width: Int { get }
  var blockChannels: Int { get }
  /// Input channels in shared memory at a time.
  var inputs: Int { get }
  /// Elements from one pixel in shared memory to the next.
  var pixelPitch: Int { get }
  /// The type of staged elements.
  func element(_ form: StagedConvolution) -> ElementType
}

extension BlockTile {
  func stagedRows(_ form: StagedConvolution) -> Int {
    (height - 1) * form.strideY + form.kernelRow.extent
  }

  func stagedColumns(_ form: StagedConvolution) -> Int {
    (width - 1) * form.strideX + form.kernelColumn.extent
  }

  func sharedBytes(_ form: StagedConvolution) -> Int {
    let pixels = stagedRows(form) * stagedColumns(form) * pixelPitch
    let weights = form.kernelRow.extent * form.kernelColumn.extent * inputs * blockChannels
    return (pixels + weights) * element(form).byteCount
  }

  /// The shared buffer of pixels: [row, column, input].
  func pixels(_ form: StagedConvolution, _ names: inout NameSupply) -> Buffer {
    let extents = [stagedRows(form), stagedColumns(form), inputs]
    return Buffer(
      names.fresh("pixels"), element(form), extents: extents,
      strides: [extents[1] * pixelPitch, pixelPitch, 1], space: .shared)
  }

  func blockCount(_ form: StagedConvolution) -> Int {
    form.image.extent * blockRows(form) * blockColumns(form) * channelBlocks(form)
  }

  func blockRows(_ form: StagedConvolution) -> Int { (form.row.extent + height - 1) / height }
  func blockColumns(_ form: StagedConvolution) -> Int { (form.column.extent + width - 1) / width }
  func channelBlocks(_ form: StagedConvolution) -> Int {
    (form.channel.extent + blockChannels - 1) / blockChannels
  }

  /// Cycles of the busiest multiprocessor, very roughly, where it computes a block's sums in `compute` cycles.
  func cycles(_ form: StagedConvolution, _ gpu: GPU, compute: Double) -> Double {
    // About 4 instructions for each 16 bytes that are staged, and the wait for a chunk to arrive.
    let staged = Double(sharedBytes(form) / 16) * 4 / Double(gpu.warp)
    let chunks = Double(form.input.extent / inputs)
    let resident = max(1, min(4, gpu.registers / (threads * 128)))
    let waits = 1500 / Double(resident)
    let rounds = Double((blockCount(form) + gpu.multiprocessors - 1) / gpu.multiprocessors)
    return rounds * (compute + chunks * (staged + waits))
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

/// The largest number up to the limit by which the count can be divided.
func largestDivisor(of count: Int, atMost limit: Int) -> Int {
  (1...max(1, min(limit, count))).last { count % $0 == 0 } ?? 1
}
