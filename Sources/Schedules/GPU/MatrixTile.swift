import LoopIR
import Tensors

/// How fragments come out of shared memory.
enum FragmentReads: Hashable {
  /// Each thread reads 16 bytes of a pixel or a weight, which belong to several fragments.
  case wide
  /// `ldmatrix` brings whole fragments; channels of 16 bytes lie apart, so that 8 neighbouring pixels lie together.
  case matrices
}

/// What one block of warps computes of a convolution by products of matrices.
///
/// The 16 rows of a matrix are 8 neighbouring columns of 2 rows of pixels, or 16 columns of one row; its 8 columns are
/// channels. A warp has `tiles` such below each other times `parts` beside each other; `groups` warps have neighbouring
/// channels, then `across` warps neighbouring columns, then `down` warps neighbouring rows.
struct MatrixTile: FragmentTile, ProductTile {
  var arithmetic: MatrixArithmetic
  var tiles: Int
  var parts: Int
  var groups: Int
  var across: Int
  var down: Int
  /// Input channels in shared memory at a time; each thread of a warp takes a quarter of them, side by side.
  var inputs: Int
  var reads = FragmentReads.wide
  /// Whether a thread reads a row of pixels once for all rows of the kernel that see it.
  private(set) var sharesRows = false
  private(set) var ahead = 0
  private(set) var turns = 1

  /// Pixels below and beside each other whose results are the rows of a matrix.
  var rows: Int { reads == .wide ? 2 : 1 }
  var columns: Int { MatrixShape.rows / rows }

  var threads: Int { MatrixShape.warp * groups * across * down }
  var width: Int { columns * across }
  var height: Int { rows * tiles * down }
  var warpChannels: Int { MatrixShape.columns * parts }
  var blockChannels: Int { warpChannels * groups }
  var pixelPitch: Int { inputs }

  var isInUnits: Bool { reads == .matrices }
  var secondPixel: (row: Int, column: Int) { (rows - 1, columns - 8) }

  /// Rows of pixels that all rows of the kernel see.
  func pixelRows(_ form: StagedConvolution) -> Int {
    (tiles * rows - 1) * form.strideY + form.kernelRow.extent
  }

  /// Whether there are fewer rows to read, and registers for all of them. Rows of split factors are read again: they
  /// take twice the registers, and as many moves as splitting takes.
  private func canShareRows(_ form: StagedConvolution, _ gpu: GPU) -> Bool {
    let seen = pixelRows(form)
    return reads == .wide && (2...5).contains(form.kernelRow.extent) && arithmetic.copies == 1
      && seen < tiles * rows * form.kernelRow.extent
      && registers(form, pixelRows: seen) + spareRegisters(gpu) + 8 <= gpu.registers(of: threads)
  }

  /// Warps beside and below each other, preferred first.
  private static let arrangements = [
    (2, 2), (1, 4), (1, 2), (2, 1), (4, 2), (2, 4), (1, 1), (1, 8), (4, 1),
  ]

  /// The tile of least estimated cost; nil where channels do not fill matrices or the kernel is huge.
  init?(
    _ form: StagedConvolution, _ gpu: GPU, _ precision: Precision, reads: FragmentReads = .wide
  ) {
    let tiles = Self.candidates(form, precision, reads).flatMap { shape in
      shape.cheapRings(form).map { ahead in
        var tile = shape
        tile.ahead = ahead
        tile.sharesRows = tile.canShareRows(form, gpu)
        return tile
      }
    }
    let fitting = tiles.filter { $0.fits(form, gpu) }
    guard let best = Self.best(fitting, { $0.cost(form, gpu) }) else { return nil }
    self = best
  }

  /// One chunk ahead costs least; with all of them on their way, split factors need fewer registers.
  private func cheapRings(_ form: StagedConvolution) -> [Int] {
    arithmetic.copies == 1 ? [1] : [1, choicesAhead(form).upperBound]
  }

  private init(
    _ arithmetic: MatrixArithmetic, tiles: Int, parts: Int, groups: Int, across: Int, down: Int,
    inputs: Int, reads: FragmentReads
  ) {
    (self.arithmetic, self.reads) = (arithmetic, reads)
    (self.tiles, self.parts, self.groups) = (tiles, parts, groups)
    (self.across, self.down, self.inputs) = (across, down, inputs)
  }

  /// Tiles by shape; none where channels do not fill matrices.
  private static func candidates(
    _ form: StagedConvolution, _ precision: Precision, _ reads: FragmentReads
  ) -> [MatrixTile] {
    let arithmetic = MatrixArithmetic(precision)
    guard form.nest.accumulator.element == arithmetic.shape.sum,
      form.channel.extent % MatrixShape.columns == 0
    else { return [] }
    let columns = form.channel.extent / MatrixShape.columns
    var candidates: [MatrixTile] = []
    let depth = arithmetic.shape.depth
    for inputs in [2 * depth, depth] where form.input.extent % inputs == 0 {
      // Rows are shared by more tiles where there is one row to a tile.
      for tiles in [2, 4, 3, 1] + (reads == .matrices ? [6, 8] : []) {
        for parts in (1...8).reversed() where columns % parts == 0 {
          for groups in [1, 2, 4, 8] where columns / parts % groups == 0 {
            for (across, down) in Self.arrangements {
              candidates.append(
                MatrixTile(
                  arithmetic, tiles: tiles, parts: parts, groups: groups, across: across,
                  down: down, inputs: inputs, reads: reads))
            }
          }
        }
      }
    }
    return candidates
  }

  /// For sums, the pixels of all tiles, the weights of one part and addresses.
  func registers(_ form: StagedConvolution) -> Int {
    registers(form, pixelRows: reads == .wide ? tiles * rows : pixelRows(form))
  }

  private func registers(_ form: StagedConvolution, pixelRows: Int) -> Int {
    let sums = MatrixShape.sumCount * tiles * (parts + (arithmetic.sumsApart ? 1 : 0))
    // A thread has a row of pixels, or two pixels of it that are 8 columns apart.
    let pixels = pixelRows * 2 / rows
    let factors = (pixels + 2) * span * arithmetic.factorWords / arithmetic.shape.packing
    return sums * arithmetic.sumWords + factors + (reads == .wide ? 64 : 40)
  }

  /// Products in float64 have not been seen to need any.
  private func spareRegisters(_ gpu: GPU) -> Int { arithmetic == .f64 ? 0 : gpu.spareRegisters }

  private func fits(_ form: StagedConvolution, _ gpu: GPU) -> Bool {
    // Split factors leave no registers over for the addresses of copies that start between products.
    let copiesBetween = arithmetic.copies > 1 && ring(form, gpu).ahead < chunks(form)
    let registers = registers(form) + spareRegisters(gpu) + (copiesBetween ? 5 * tiles - 2 : 0)
    // `ldmatrix` has no room for conversions between shared memory and fragments.
    guard reads == .wide || arithmetic != .f64 else { return false }
    return threads >= 2 * gpu.warp && threads <= 256 && registers <= gpu.registers(of: threads)
      && leastSharedBytes(form) <= gpu.sharedBytes
  }

  /// Cycles for which a warp's conversions to float64 of the factors of one step keep a quarter of a multiprocessor busy:
  /// 16 results a cycle and multiprocessor (CUDA C++ Programming Guide, throughput of native arithmetic instructions).
  private func conversionCycles(_ form: StagedConvolution) -> Double {
    guard arithmetic == .f64 else { return 0 }
    let pixels =
      sharesRows
      ? Double(pixelRows(form)) / Double(form.kernelRow.extent) : Double(tiles * rows)
    return (pixels + Double(parts)) * 2 * 8
  }

  /// Fragments of pixels and weights that a warp reads for one step of the depth: 8 pixels or channels each.
  private func fragmentReads(_ form: StagedConvolution) -> Double {
    let places = form.kernelRow.extent * form.kernelColumn.extent
    let shared = form.kernelColumn.extent * pixelRows(form)
    let pixels = reads == .matrices ? 2 * shared : sharesRows ? shared : places * tiles * rows
    return Double(pixels + places * parts)
  }

  /// Cycles: one warp at a time reads 128 bytes of shared memory a cycle. (The numbers are fitted to sweeps of tiles on an
  /// H200; there was none for float64, so that an eighth of conversions is not hidden by products is assumed.)
  func cost(_ form: StagedConvolution, _ gpu: GPU) -> Double {
    let places = Double(form.kernelRow.extent * form.kernelColumn.extent)
    let steps = Double(form.input.extent / arithmetic.shape.depth)
    let warps = Double(threads / gpu.warp)
    let count = places * steps * Double(tiles * parts * arithmetic.products)
    let products = count * arithmetic.productCycles
    let fragments = fragmentReads(form)
    let loads = fragments * (2 * steps + Double(chunks(form)))
    let conversions = places * steps * conversionCycles(form)
    let unpacking = fragments * steps * (arithmetic.copies == 1 ? 1 : 7.5)
    let issue = count * (reads == .wide ? 2.6 : 1) + unpacking
    // A warp alone waits for each read, and for a product before the next one of the same sum.
    let reads = places * Double(chunks(form) * (parts + 1)) * 27
    let chains =
      places * steps * Double(parts * arithmetic.products)
      * max(arithmetic.productLatency, arithmetic.productCycles * Double(tiles))
    let quarters = (warps / 4).rounded(.up)
    let compute = max(
      quarters * (max(products, issue, conversions) + conversions / 8), warps * loads)
    // Copies of later chunks keep the first one waiting.
    let (ahead, units) = (Double(max(1, ahead)), stagedUnits(form))
    return cycles(
      form, gpu, compute: compute + (ahead - 1) * units * 0.2,
      latency: reads + max(chains, issue) + conversions + ahead * units * 0.5,
      staging: StagingRates(
        unit: 0.13, wait: 1100, start: 0, stall: 340 * Double(arithmetic.products)))
  }
}

// MARK: Schedule files

extension MatrixTile: TileKind {
  static let word = "matrix"

  static var numbers: [TileNumber<MatrixTile>] {
    [
      .init("tiles", \.tiles), .init("parts", \.parts), .init("groups", \.groups),
      .init("across", \.across), .init("down", \.down), .init("inputs", \.inputs),
      .init("ahead", \.ahead), .init("shares_rows", \.sharesRowsNumber, usual: 0),
      .init("ldmatrix", \.readsNumber, usual: 0), .init("turns", \.turns, usual: 1),
    ]
  }

  /// Tiles with `ldmatrix` were no faster than those with wide reads on an H200.
  var isTuned: Bool { reads == .wide }

  private var sharesRowsNumber: Int { sharesRows ? 1 : 0 }
  private var readsNumber: Int { reads == .matrices ? 1 : 0 }

  static func tiles(
    _ form: StagedConvolution, _ gpu: GPU, _ precision: Precision
  ) -> [MatrixTile] {
    let shapes = [FragmentReads.wide, .matrices].flatMap { candidates(form, precision, $0) }
    let tiles = shapes.flatMap { $0.reads == .wide ? $0.withTurns(form, gpu, \.turns) : [$0] }
      .flatMap { $0.withRings(form, \.ahead) }
    return tiles.filter { $0.fits(form, gpu) }.flatMap { tile in
      var sharing = tile
      sharing.sharesRows = tile.canShareRows(form, gpu)
      return sharing.sharesRows ? [sharing, tile] : [tile]
    }
  }

  static func standard(
    _ form: StagedConvolution, _ gpu: GPU, _ precision: Precision
  ) -> MatrixTile? {
    MatrixTile(form, gpu, precision)
  }

  func kernel(_ form: StagedConvolution, _ gpu: GPU) -> (any TiledKernel)? {
    MatrixKernel(form, self, gpu)
  }
}
