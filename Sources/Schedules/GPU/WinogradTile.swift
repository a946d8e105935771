import LoopIR
import Tensors

/// What one block of warps computes of a 3x3 convolution by Winograd's algorithm, whose products of matrices are tensor
/// cores'.
///
/// The rows of the matrices are squares of `outputs` x `outputs` results: `across` beside and `down` below each other.
/// Each warp multiplies the matrices of some of the (outputs + 2)² products, for all squares and channels of the block.
struct WinogradTile: ProductTile {
  var arithmetic: MatrixArithmetic
  var outputs: Int
  var across: Int
  var down: Int
  var warps: Int
  /// Runs of 8 output channels.
  var parts: Int
  /// Input channels in shared memory at a time, and output channels whose results are transformed together.
  var inputs: Int
  private(set) var ahead = 0

  var transform: WinogradTransform {
    outputs == 2 ? WinogradTransform.all[0] : WinogradTransform.all[1]
  }
  var products: Int { transform.inputs * transform.inputs }
  /// Products of a warp.
  var places: Int { products / warps }
  var squares: Int { across * down }

  var tiles: Int { squares / MatrixShape.rows }
  var threads: Int { MatrixShape.warp * warps }
  var width: Int { outputs * across }
  var height: Int { outputs * down }
  var blockChannels: Int { MatrixShape.columns * parts }
  var pixelPitch: Int { inputs }

  /// Channels that a thread transforms at once: so many that all threads have some, 16 bytes at most.
  var lanes: Int { [4, 2].first { squares * inputs >= $0 * threads } ?? 1 }

  func element(_ form: StagedConvolution) -> ElementType { .f32 }

  /// Columns lie apart by their place in a square, so that threads read those of neighbouring squares beside each other.
  func pixelElements(_ form: StagedConvolution) -> Int {
    stagedRows(form) * outputs * (across + 1) * inputs
  }

  func weightElements(_ form: StagedConvolution) -> Int { products * blockChannels * inputs }

  /// What the squares become.
  func ownSharedBytes(_ form: StagedConvolution) -> Int {
    products * squares * inputs * ElementType.f32.byteCount
  }

  /// Whether tensor cores may add up all products of a sum.
  func sumsApart(_ form: StagedConvolution) -> Bool {
    form.input.extent > MatrixArithmetic.mostProducts
  }

  /// For sums, the squares and the channels of one product, and addresses.
  func registers(_ form: StagedConvolution) -> Int {
    let sums = MatrixShape.sumCount * tiles * (places * parts + (sumsApart(form) ? 1 : 0))
    return sums + (2 * tiles + 1) * span * arithmetic.factorWords + 48
  }
}

// MARK: Choice

extension WinogradTile: TileKind {
  static let word = "winograd_matrix"

  static var numbers: [TileNumber<WinogradTile>] {
    [
      .init("outputs", \.outputs), .init("across", \.across), .init("down", \.down),
      .init("warps", \.warps), .init("parts", \.parts), .init("inputs", \.inputs),
      .init("ahead", \.ahead),
    ]
  }

  /// None but for 3x3 kernels with constant weights whose factors are split: rounded to tf32 or bf16 the transformed ones
  /// would lose more than the precision promises, and float64 gains nothing.
  static func tiles(
    _ form: StagedConvolution, _ gpu: GPU, _ precision: Precision
  ) -> [WinogradTile] {
    let taps = WinogradTransform.all[0].taps
    guard MatrixArithmetic(precision) == .splitTF32, form.nest.accumulator.element == .f32,
      form.kernelRow.extent == taps, form.kernelColumn.extent == taps,
      form.strideX == 1, form.strideY == 1, form.hasConstantWeights
    else { return [] }
    return shapes(form).flatMap { $0.withRings(form, \.ahead) }.filter {
      $0.registers(form) + gpu.spareRegisters <= gpu.registers(of: $0.threads)
        && $0.leastSharedBytes(form) <= gpu.sharedBytes
    }
  }

  private static func shapes(_ form: StagedConvolution) -> [WinogradTile] {
    var shapes: [WinogradTile] = []
    let depth = MatrixShape.tf32.depth
    for inputs in [2 * depth, depth] where form.input.extent % inputs == 0 {
      for parts in [1, 2, 4, 8] {
        let channels = MatrixShape.columns * parts
        guard form.channel.extent % channels == 0, channels % inputs == 0 else { continue }
        for (outputs, warps) in [(2, [8, 16, 4]), (4, [9, 12, 6])] {
          for (across, down) in [(8, 2), (4, 4), (8, 4), (4, 8), (8, 6), (8, 8)] {
            shapes += warps.map {
              WinogradTile(
                arithmetic: .splitTF32, outputs: outputs, across: across, down: down, warps: $0,
                parts: parts, inputs: inputs)
            }
          }
        }
      }
    }
    return shapes
  }

  /// Whether the tile is like those that were fastest for some layer of the paper's networks on an H200.
  private var isUsual: Bool {
    ahead == 1 && warps == (outputs == 2 ? 4 : 12) && (parts == 2 || parts == 4)
  }

  /// The cheapest of the usual ones, unless direct sums are faster.
  static func standard(
    _ form: StagedConvolution, _ gpu: GPU, _ precision: Precision
  ) -> WinogradTile? {
    let usual = tiles(form, gpu, precision).filter { $0.isUsual }
    guard let best = best(usual, { $0.cost(form, gpu) }) else { return nil }
    let direct = MatrixTile.standard(form, gpu, precision).map { $0.cost(form, gpu) }
    return best.cost(form, gpu) < Self.directTime * (direct ?? .infinity) ? best : nil
  }

  /// Direct sums with split factors take up to so many times as long as estimated, these tiles no longer.
  private static let directTime = 1.25

  func kernel(_ form: StagedConvolution, _ gpu: GPU) -> (any TiledKernel)? {
    WinogradMatrixKernel(form, self, gpu)
  }

  /// Cycles, by rates fitted to a sweep of tiles on an H200: steps of a block come one after the other, those of blocks
  /// beside each other overlap.
  func cost(_ form: StagedConvolution, _ gpu: GPU) -> Double {
    let chunks = Double(chunks(form))
    let quarters = (Double(warps) / 4).rounded(.up)
    let count = Double(places * tiles * parts * steps * arithmetic.products)
    let multiply = quarters * chunks * count * arithmetic.productCycles
    let splits = Double(places * (2 * tiles + parts) * span * 8)
    let issue = quarters * chunks * (splits + count)
    let planes = Double(products * squares * inputs)
    let additions = planes * Double(4 * transform.inputs) / Double(products) / Double(4 * gpu.warp)
    // Pixels are read once for each square, planes written and read; weights are read once.
    let shared = chunks * (planes * 3 + Double(weightElements(form))) / 32
    let results = Double(blockChannels / inputs) * (planes * 2 / 32 + additions)
    return cycles(
      form, gpu, compute: max(multiply, issue + chunks * additions, shared) + results,
      latency: max(multiply, issue) + shared + chunks * additions + results,
      staging: StagingRates(unit: 0.4, wait: 1400, stall: 250))
  }
}
