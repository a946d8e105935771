import LoopIR
import Tensors

/// What one block of threads computes of a convolution, and how its threads share it.
///
/// A thread has `rows` x `channels` results; `groups` threads beside each other have neighbouring channels, then
/// `width` threads neighbouring columns, then `bands` threads neighbouring runs of rows.
struct GPUTile: BlockTile, ThreadTile {
  var rows: Int
  var channels: Int
  var groups: Int
  var width: Int
  var bands: Int
  /// Input channels in shared memory at a time.
  var inputs: Int
  /// Elements in 16 bytes of shared memory.
  var lanes: Int
  private(set) var ahead = 0

  var threads: Int { groups * width * bands }
  var height: Int { rows * bands }
  var blockChannels: Int { groups * channels }

  /// Elements from one pixel in shared memory to the next: an odd number of 16-byte units, so that neighbouring
  /// columns lie in different banks.
  var pixelPitch: Int {
    if inputs % lanes != 0 { return inputs | 1 }
    return inputs / lanes % 2 == 0 ? inputs + lanes : inputs
  }

  func element(_ form: StagedConvolution) -> ElementType { form.nest.accumulator.element }

  /// The tile of least estimated cost; nil where none fits (huge kernels).
  init?(_ form: StagedConvolution, _ gpu: GPU) {
    let tiles = Self.candidates(form).filter { $0.fits(form, gpu) }
    guard let best = Self.best(tiles, { $0.cost(form, gpu) }) else { return nil }
    self = best
    ahead = ring(form, gpu).ahead
  }

  private init(
    rows: Int, channels: Int, groups: Int, width: Int, bands: Int, inputs: Int, lanes: Int
  ) {
    (self.rows, self.channels, self.groups) = (rows, channels, groups)
    (self.width, self.bands, self.inputs, self.lanes) = (width, bands, inputs, lanes)
  }

  private static func candidates(_ form: StagedConvolution) -> [GPUTile] {
    let channels = largestDivisor(of: form.channel.extent, atMost: 8)
    let groups = powerOfTwo(atMost: min(8, form.channel.extent / channels))
    return shapes(form, channels, groups)
  }

  /// All sizes of tiles whose channels are shared so.
  private static func shapes(
    _ form: StagedConvolution, _ channels: Int, _ groups: Int
  ) -> [GPUTile] {
    let lanes = 16 / form.nest.accumulator.element.byteCount
    var tiles: [GPUTile] = []
    for inputs in Set([16, 8, 4].map { largestDivisor(of: form.input.extent, atMost: $0) }).sorted()
    {
      for rows in [4, 2, 3, 6, 1] {
        for width in [8, 16, 32, 4] {
          for bands in [1, 2, 4, 8, 16] {
            tiles.append(
              GPUTile(
                rows: rows, channels: channels, groups: groups, width: width, bands: bands,
                inputs: inputs, lanes: lanes))
          }
        }
      }
    }
    return tiles
  }

  /// Registers of an element.
  private var words: Int { 4 / lanes }

  /// For sums and what they are made of, the pixels and weights at hand, and addresses.
  func registers(_ form: StagedConvolution) -> Int {
    let sums = (words == 1 ? 3 : 2) * rows * channels
    let pixels = ((rows - 1) * form.strideY + form.kernelRow.extent) * 4
    return words * (sums + pixels + channels) + 40
  }

  private func fits(_ form: StagedConvolution, _ gpu: GPU) -> Bool {
    let registers = registers(form)
    return threads >= 2 * gpu.warp && threads <= 256 && registers <= gpu.registers(of: threads)
      && leastSharedBytes(form) <= gpu.sharedBytes
  }

  /// Cycles of the busiest multiprocessor, very roughly: 4 warps at a time multiply, one reads shared memory.
  func cost(_ form: StagedConvolution, _ gpu: GPU) -> Double {
    let taps = form.kernelRow.extent * form.kernelColumn.extent * form.input.extent
    let warps = Double((threads + gpu.warp - 1) / gpu.warp)
    let products = Double(taps * rows * channels) / 4
    let pixelLoads =
      Double((rows - 1) * form.strideY + form.kernelRow.extent)
      / Double(form.kernelRow.extent)
    let loads = Double(taps) * (pixelLoads / 2 + Double(channels) / 4)
    // A warp alone multiplies in every second cycle, and waits for what it reads, 4 inputs at a time.
    let latency = products * 8 + Double(taps) / 4 * 30
    return cycles(
      form, gpu, compute: warps * max(products, loads) * Double(words),
      latency: latency * Double(words))
  }

  private static func powerOfTwo(atMost limit: Int) -> Int {
    var power = 1
    while power * 2 <= limit { power *= 2 }
    return power
  }
}

// MARK: Schedule files

extension GPUTile: TileKind {
  static let word = "fma"

  static var numbers: [TileNumber<GPUTile>] {
    [
      .init("rows", \.rows), .init("channels", \.channels), .init("groups", \.groups),
      .init("width", \.width), .init("bands", \.bands), .init("inputs", \.inputs),
      .init("ahead", \.ahead),
    ]
  }

  static func tiles(
    _ form: StagedConvolution, _ gpu: GPU, _ precision: Precision
  ) -> [GPUTile] {
    let channels = Set([8, 4, 2].map { largestDivisor(of: form.channel.extent, atMost: $0) })
    return channels.sorted().flatMap { channels in
      [1, 2, 4, 8, 16].filter { $0 * channels <= form.channel.extent }.flatMap {
        shapes(form, channels, $0)
      }
    }.flatMap { $0.withRings(form, \.ahead) }.filter { $0.fits(form, gpu) }
  }

  static func standard(
    _ form: StagedConvolution, _ gpu: GPU, _ precision: Precision
  ) -> GPUTile? {
    GPUTile(form, gpu)
  }

  func kernel(_ form: StagedConvolution, _ gpu: GPU) -> (any TiledKernel)? {
    FMAKernel(form, self, gpu)
  }
}
