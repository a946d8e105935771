import LoopIR
import Tensors

/// What one block of warp groups computes of a convolution by products of matrices in shared memory (`wgmma`).
///
/// The 64 rows of a matrix are 8 neighbouring columns of 8 rows of pixels, its columns are channels. A warp group has
/// `tiles` such below each other times `parts` runs of 8 channels; `down` warp groups have pixels below each other.
struct WarpGroupTile: FragmentTile {
  var arithmetic: MatrixArithmetic
  var tiles: Int
  var parts: Int
  var down: Int
  /// Input channels in shared memory at a time.
  var inputs: Int
  private(set) var ahead = 0
  private(set) var turns = 1

  /// Fewer output channels are not worth it.
  private static let leastChannels = 64
  /// More sums leave too few registers for the addresses of copies: some kernels of the U-Net spilled then.
  private static let mostFragments = 16

  /// Pixels beside and below each other whose results are the rows of a matrix; a warp has two rows of them.
  var width: Int { SharedMatrix.rowsTogether }
  var rows: Int { WarpGroupProduct.rows / width }
  var secondPixel: (row: Int, column: Int) { (1, 0) }
  var isInUnits: Bool { true }

  var threads: Int { WarpGroupProduct.threads * down }
  var height: Int { rows * tiles * down }
  var blockChannels: Int { MatrixShape.columns * parts }
  var pixelPitch: Int { inputs }

  /// Products that use up a chunk's channels at one place of the kernel.
  var steps: Int { inputs / arithmetic.shape.depth }

  /// For sums and addresses.
  func registers(_ form: StagedConvolution) -> Int {
    MatrixShape.sumCount * tiles * parts + 64
  }

  private init(_ arithmetic: MatrixArithmetic, tiles: Int, parts: Int, down: Int, inputs: Int) {
    self.arithmetic = arithmetic
    (self.tiles, self.parts, self.down, self.inputs) = (tiles, parts, down, inputs)
  }

  private func fits(_ form: StagedConvolution, _ gpu: GPU) -> Bool {
    registers(form) <= gpu.registers(of: threads) && leastSharedBytes(form) <= gpu.sharedBytes
  }

  /// Cycles, by rates from data sheets that no GPU has confirmed here: the tensor cores of a multiprocessor multiply 2048
  /// bf16 numbers a cycle, which is one column of a product in half a cycle, and read 128 bytes of shared memory.
  func cost(_ form: StagedConvolution, _ gpu: GPU) -> Double {
    let places = form.kernelRow.extent * form.kernelColumn.extent
    let products = Double(places * form.input.extent / arithmetic.shape.depth * tiles)
    let columns = Double(blockChannels)
    let product = max(columns / 2, columns / 4 + 16)
    let chunks = Double(form.input.extent / inputs)
    return cycles(
      form, gpu, compute: Double(down) * products * product,
      latency: products * product + chunks * 130)
  }
}

// MARK: Schedule files

extension WarpGroupTile: TileKind {
  static let word = "warp_groups"

  static var numbers: [TileNumber<WarpGroupTile>] {
    [
      .init("tiles", \.tiles), .init("parts", \.parts), .init("down", \.down),
      .init("inputs", \.inputs), .init("ahead", \.ahead), .init("turns", \.turns, usual: 1),
    ]
  }

  /// None where neighbouring pixels are no neighbours in shared memory, where factors are split, and where channels are
  /// few or do not fill matrices.
  static func tiles(
    _ form: StagedConvolution, _ gpu: GPU, _ precision: Precision
  ) -> [WarpGroupTile] {
    guard gpu.hasWarpGroups, precision == .tf32 || precision == .bf16,
      form.nest.accumulator.element == .f32, form.strideX == 1,
      form.channel.extent >= leastChannels
    else { return [] }
    return shapes(form, MatrixArithmetic(precision))
      .flatMap { $0.withTurns(form, gpu, \.turns) }.flatMap { $0.withRings(form, \.ahead) }
      .filter { $0.fits(form, gpu) }
  }

  private static func shapes(
    _ form: StagedConvolution, _ arithmetic: MatrixArithmetic
  ) -> [WarpGroupTile] {
    let depth = arithmetic.shape.depth
    var shapes: [WarpGroupTile] = []
    for inputs in [depth, 2 * depth, 4 * depth] where form.input.extent % inputs == 0 {
      for parts in [8, 12, 16] where form.channel.extent % (parts * MatrixShape.columns) == 0 {
        for tiles in [1, 2] where tiles * parts <= mostFragments {
          for down in [1, 2, 4] {
            shapes.append(
              WarpGroupTile(arithmetic, tiles: tiles, parts: parts, down: down, inputs: inputs))
          }
        }
      }
    }
    return shapes
  }

  /// Never the cost model's choice: it was slower than `MatrixTile` on an H200.
  static func standard(
    _ form: StagedConvolution, _ gpu: GPU, _ precision: Precision
  ) -> WarpGroupTile? {
    nil
  }

  func kernel(_ form: StagedConvolution, _ gpu: GPU) -> (any TiledKernel)? {
    WarpGroupKernel(form, self, gpu)
  }
}
