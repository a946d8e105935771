import LoopIR
import Tensors

/// What one block of threads computes of a convolution with few input or few output channels, straight from global
/// memory.
///
/// A thread has `rows` results below each other in each of `channels` output channels. `parts` threads beside each
/// other share the input channels of these results, or `groups` threads have neighbouring output channels; then
/// `width` threads have neighbouring columns, then `bands` threads neighbouring runs of rows.
struct NarrowTile: ThreadTile {
  var rows: Int
  var channels: Int
  var groups: Int
  var parts: Int
  var width: Int
  var bands: Int
  /// Input channels that a thread takes at a time.
  var lanes: Int
  /// Columns of the kernel whose pixels a thread loads before it multiplies.
  var columns: Int

  /// Fewer output channels than this leave most of a staged tile's threads without work of their own.
  private static let fewOutputs = 7
  private static let fewInputs = 4

  var threads: Int { parts * groups * width * bands }
  var height: Int { rows * bands }
  var blockChannels: Int { groups * channels }

  /// Rows of pixels that a thread sees.
  func seenRows(_ form: StagedConvolution) -> Int {
    (rows - 1) * form.strideY + form.kernelRow.extent
  }

  /// Turns that a thread takes through the input channels.
  func turns(_ form: StagedConvolution) -> Int { form.input.extent / (parts * lanes) }

  /// Whether weights of neighbouring inputs, not outputs, are loaded together.
  var takesInputsTogether: Bool { lanes == 4 || lanes >= channels }
}

// MARK: Choice

extension NarrowTile {
  /// The tile of least estimated cost; nil where the convolution is not narrow or its kernel is huge.
  init?(_ form: StagedConvolution, _ gpu: GPU) {
    let candidates = Self.candidates(form).filter { $0.fits(form, gpu) }
    guard let best = Self.best(candidates, { $0.cost(form, gpu) }) else { return nil }
    self = best
  }

  private static func candidates(_ form: StagedConvolution) -> [NarrowTile] {
    let tiles = all(form)
    // A warp then reads whole lines of memory.
    let wide = tiles.filter { $0.parts * $0.lanes >= 32 }
    guard form.channel.extent <= fewOutputs else { return tiles }
    return wide.isEmpty ? tiles.filter { $0.parts == tiles[0].parts } : wide
  }

  /// Every tile, those first that share input channels among the most threads.
  private static func all(_ form: StagedConvolution) -> [NarrowTile] {
    let (inputs, outputs) = (form.input.extent, form.channel.extent)
    var tile = NarrowTile(
      rows: 1, channels: outputs, groups: 1, parts: 1, width: 1, bands: 1,
      lanes: largestDivisor(of: inputs, atMost: 4), columns: 1)
    if outputs <= fewOutputs {
      return [16, 8, 4, 2, 1].filter { inputs % ($0 * tile.lanes) == 0 }.flatMap { parts in
        tile.parts = parts
        return shapes(of: tile, form)
      }
    }
    guard inputs <= fewInputs else { return [] }
    tile.channels = largestDivisor(of: outputs, atMost: 4)
    tile.groups = largestDivisor(of: outputs / tile.channels, atMost: 16)
    return shapes(of: tile, form)
  }

  /// The tile in all sizes.
  private static func shapes(of tile: NarrowTile, _ form: StagedConvolution) -> [NarrowTile] {
    var tiles: [NarrowTile] = []
    for rows in [4, 2, 3, 6, 8, 1] {
      for width in [8, 16, 32, 64, 4] {
        for bands in [1, 2, 4, 8] {
          for columns in [form.kernelColumn.extent, 1] {
            var own = tile
            (own.rows, own.width, own.bands, own.columns) = (rows, width, bands, columns)
            tiles.append(own)
          }
        }
      }
    }
    return tiles
  }
}

// MARK: Cost

extension NarrowTile {
  /// Registers for the pixels and weights at hand, for sums and their parts, and for addresses.
  private func registers(_ form: StagedConvolution) -> Int {
    let pixels = seenRows(form) * columns * lanes
    let weights = form.kernelRow.extent * lanes * channels
    let words = max(1, form.nest.accumulator.element.byteCount / 4)
    return (pixels + weights + 2 * rows * channels) * words + 40
  }

  private func fits(_ form: StagedConvolution, _ gpu: GPU) -> Bool {
    threads >= 2 * gpu.warp && threads <= 256 && registers(form) <= gpu.registersPerThread
  }

  /// Cycles, very roughly: each round of blocks waits for its pixels, then all that a multiprocessor gets is computed
  /// and goes through its link to the second-level cache, about 24 bytes a cycle.
  func cost(_ form: StagedConvolution, _ gpu: GPU) -> Double {
    let blocks = Double((blockCount(form) + gpu.multiprocessors - 1) / gpu.multiprocessors)
    let resident = Double(max(1, min(2048, gpu.registers / registers(form)) / threads))
    let rounds = max(1, blocks / resident)
    let waits = turns(form) * form.kernelColumn.extent / columns
    // 4 warps at a time issue instructions; each needs two others to hide how long its own take.
    let warps = Double(threads) / Double(4 * gpu.warp)
    let hidden = min(1, min(blocks, resident) * warps / 3)
    let work = instructions(form) * warps / hidden + Double(bytes(form)) / 24
    return rounds * Double(waits) * 1000 + blocks * work
  }

  /// Of one thread: loads with their addresses, selections at borders, products, and adding up.
  private func instructions(_ form: StagedConvolution) -> Double {
    let taps = form.kernelRow.extent * form.kernelColumn.extent
    let loads = seenRows(form) * form.kernelColumn.extent * (6 + lanes) / 2
    let weights = taps * max(lanes, channels) / 2
    let products = taps * lanes * rows * channels
    return Double(turns(form) * (loads + weights + products) + 8 * rows * channels + 80)
  }

  /// What the block reads and writes.
  private func bytes(_ form: StagedConvolution) -> Int {
    let seenColumns = (width - 1) * form.strideX + form.kernelColumn.extent
    let seen = ((height - 1) * form.strideY + form.kernelRow.extent) * seenColumns
    let read = seen * form.input.extent * (16 / form.kernel.lanes(of: form.pixel))
    return read + height * width * blockChannels * form.nest.accumulator.element.byteCount
  }
}

// MARK: Schedule files

extension NarrowTile: TileKind {
  static let word = "narrow"

  static var numbers: [TileNumber<NarrowTile>] {
    [
      .init("rows", \.rows), .init("channels", \.channels), .init("groups", \.groups),
      .init("parts", \.parts), .init("width", \.width), .init("bands", \.bands),
      .init("lanes", \.lanes), .init("columns", \.columns),
    ]
  }

  static func tiles(
    _ form: StagedConvolution, _ gpu: GPU, _ precision: Precision
  ) -> [NarrowTile] {
    all(form).filter { $0.fits(form, gpu) }
  }

  static func standard(
    _ form: StagedConvolution, _ gpu: GPU, _ precision: Precision
  ) -> NarrowTile? {
    NarrowTile(form, gpu)
  }

  func kernel(_ form: StagedConvolution, _ gpu: GPU) -> (any TiledKernel)? {
    NarrowKernel(form, self)
  }
}
