import LoopIR
import Tensors

/// A tile of results whose pixels and weights go through shared memory.
protocol BlockTile: GridTile {
  /// Input channels in shared memory at a time.
  var inputs: Int { get }
  /// Elements from one pixel in shared memory to the next.
  var pixelPitch: Int { get }
  /// Elements of shared memory that one chunk's pixels and weights take.
  func pixelElements(_ form: StagedConvolution) -> Int
  func weightElements(_ form: StagedConvolution) -> Int
  /// Bytes of shared memory besides the chunks'.
  func ownSharedBytes(_ form: StagedConvolution) -> Int
  /// Chunks that are on their way before the first is multiplied; 0: as many as take no room from other blocks.
  var ahead: Int { get }
  /// Registers of a thread, estimated.
  func registers(_ form: StagedConvolution) -> Int
  /// The type of staged elements.
  func element(_ form: StagedConvolution) -> ElementType
}

/// How chunks of input channels go through shared memory: each into the next of several slots, in turns.
struct StagingRing: Hashable {
  var chunks: Int
  /// Chunks that are on their way when the first one is multiplied.
  var ahead: Int
  /// Tiles of pixels that go through it.
  var turns = 1

  static let mostAhead = 4
  static let mostTurns = 64

  var steps: Int { chunks * turns }
  /// Whether weights have room of their own for all chunks.
  var keepsWeights: Bool { turns > 1 }
  /// One more than are on their way, unless all are.
  var slots: Int { min(ahead + 1, steps) }
  var weightSlots: Int { keepsWeights ? chunks : slots }
}

extension BlockTile {
  func stagedRows(_ form: StagedConvolution) -> Int {
    (height - 1) * form.strideY + form.kernelRow.extent
  }

  func stagedColumns(_ form: StagedConvolution) -> Int {
    (width - 1) * form.strideX + form.kernelColumn.extent
  }

  func pixelElements(_ form: StagedConvolution) -> Int {
    stagedRows(form) * stagedColumns(form) * pixelPitch
  }

  func weightElements(_ form: StagedConvolution) -> Int {
    form.kernelRow.extent * form.kernelColumn.extent * inputs * blockChannels
  }

  func ownSharedBytes(_ form: StagedConvolution) -> Int { 0 }

  /// Of 16 bytes, of what is copied for each chunk.
  func stagedUnits(_ form: StagedConvolution) -> Double {
    let elements = pixelElements(form) + (turns > 1 ? 0 : weightElements(form))
    return Double(elements * element(form).byteCount / 16)
  }

  func chunks(_ form: StagedConvolution) -> Int { form.input.extent / inputs }

  /// Of the tile's ring, or of the least one.
  func leastSharedBytes(_ form: StagedConvolution) -> Int {
    sharedBytes(form, ring(form, ahead: max(1, ahead)))
  }

  private func ring(_ form: StagedConvolution, ahead: Int) -> StagingRing {
    StagingRing(chunks: chunks(form), ahead: ahead, turns: turns)
  }

  private func sharedBytes(_ form: StagedConvolution, _ ring: StagingRing) -> Int {
    let elements = ring.slots * pixelElements(form) + ring.weightSlots * weightElements(form)
    return elements * element(form).byteCount + ownSharedBytes(form)
  }

  /// Numbers of chunks ahead that can be chosen.
  func choicesAhead(_ form: StagedConvolution) -> ClosedRange<Int> {
    1...max(1, min(chunks(form) * turns, StagingRing.mostAhead))
  }

  /// The tile with every ring.
  func withRings(
    _ form: StagedConvolution, _ ahead: WritableKeyPath<Self, Int>
  ) -> [Self] {
    choicesAhead(form).map {
      var tile = self
      tile[keyPath: ahead] = $0
      return tile
    }
  }

  /// The tile with every number of turns that leaves no block with fewer, where shared memory has room for the weights.
  func withTurns(
    _ form: StagedConvolution, _ gpu: GPU, _ turns: WritableKeyPath<Self, Int>
  ) -> [Self] {
    (1...StagingRing.mostTurns).filter { pixelTiles(form) % $0 == 0 }.map {
      var tile = self
      tile[keyPath: turns] = $0
      return tile
    }.filter { $0.leastSharedBytes(form) <= gpu.sharedBytes }
  }

  /// As many copies ahead as the tile says, or as take no room from blocks that could be beside this one.
  func ring(_ form: StagedConvolution, _ gpu: GPU) -> StagingRing {
    if ahead > 0 { return ring(form, ahead: ahead) }
    let wanted = rounds(form, gpu).resident
    let rings = choicesAhead(form).reversed().map { ring(form, ahead: $0) }
    return rings.first {
      gpu.residentBlocks(
        threads: threads, registers: registers(form), sharedBytes: sharedBytes(form, $0))
        >= wanted
    } ?? ring(form, ahead: 1)
  }

  /// The shared buffer of pixels: [slot, row, column, input].
  func pixels(
    _ form: StagedConvolution, _ ring: StagingRing, _ names: inout NameSupply
  ) -> Buffer {
    let extents = [ring.slots, stagedRows(form), stagedColumns(form), inputs]
    let row = extents[2] * pixelPitch
    return Buffer(
      names.fresh("pixels"), element(form), extents: extents,
      strides: [extents[1] * row, row, pixelPitch, 1], space: .shared)
  }

  /// Blocks that the busiest multiprocessor computes, and how many of them beside each other.
  private func rounds(_ form: StagedConvolution, _ gpu: GPU) -> (blocks: Int, resident: Int) {
    let blocks = (blockCount(form) + gpu.multiprocessors - 1) / gpu.multiprocessors
    let fitting = gpu.residentBlocks(
      threads: threads, registers: registers(form), sharedBytes: leastSharedBytes(form))
    return (blocks, max(1, min(blocks, fitting)))
  }

  /// Cycles of the busiest multiprocessor, very roughly: it computes a block's sums in at least `compute` cycles, and
  /// a warp that is alone needs `latency`; what a block idles around barriers, and such latencies, blocks beside each
  /// other hide.
  func cycles(
    _ form: StagedConvolution, _ gpu: GPU, compute: Double, latency: Double,
    staging rates: StagingRates = StagingRates()
  ) -> Double {
    let (blocks, resident) = rounds(form, gpu)
    let chunks = Double(chunks(form))
    let staging = stagedUnits(form) * rates.unit
    let waits = chunks * rates.wait + latency + rates.start
    let idle = rates.stall / Double(resident)
    let tile = max(compute + chunks * (staging + idle), waits / Double(resident))
    let kept = turns > 1 ? chunks * Double(weightElements(form) * element(form).byteCount / 16) : 0
    return Double(blocks) * (Double(turns) * tile + kept * rates.unit)
  }

}

/// What staging costs, in cycles, as sweeps of tiles on GPUs show.
struct StagingRates {
  /// Of a multiprocessor for each 16 bytes: the memory's width, and instructions.
  var unit = 0.25
  /// Until a chunk has arrived and is seen, and once for a block.
  var wait = 1200.0
  var start = 1500.0
  /// For which a block idles around the barrier of a chunk.
  var stall = 330.0
}

/// The largest number up to the limit by which the count can be divided.
func largestDivisor(of count: Int, atMost limit: Int) -> Int {
  (1...max(1, min(limit, count))).last { count % $0 == 0 } ?? 1
}
