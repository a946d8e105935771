import LoopIR
import Tensors

/// Chooses between the direct sum and Winograd's algorithm, and the sizes of the latter.
struct WinogradChoice {
  let target: Target
  /// The transforms to choose from.
  let transforms: [WinogradTransform]
  private var cost: CostModel { CostModel(target: target) }

  /// F(2) and F(4) for 3 taps, F(2) for 5. Errors of F(6) come to 100 units of 2^-23 for 128 channels, past any promise.
  static let withinStandardPrecision =
    WinogradTransform.all.filter { $0.outputs <= 4 } + [.ofFiveTaps]

  /// Vectors of fewer lanes are not worth it.
  private static let fewestLanes = 4
  /// Tiles in one strip at most.
  private static let mostTiles = 96

  /// The fastest shape, or nil where the direct sum is as fast.
  func best(for nest: WinogradNest) -> WinogradShape? {
    let direct = directCycles(nest)
    let fastest = shapes(for: nest).map { (shape: $0, cycles: cycles(nest, $0)) }
      .min { $0.cycles < $1.cycles }
    guard let fastest, fastest.cycles < direct else { return nil }
    return fastest.shape
  }

  /// All shapes whose local buffers have room.
  func shapes(for nest: WinogradNest) -> [WinogradShape] {
    transforms.filter { $0.taps == nest.taps }.flatMap { transform in
      shapes(nest, transform).filter { WinogradKernel.stackBytes(nest, $0) <= Target.localBytes }
    }
  }

  private func shapes(_ nest: WinogradNest, _ transform: WinogradTransform) -> [WinogradShape] {
    guard var shape = smallest(nest, transform) else { return [] }
    let vectors = nest.channel.extent / shape.outputLanes
    var shapes: [WinogradShape] = []
    for productVectors in 1...min(4, vectors) where vectors % productVectors == 0 {
      for productTiles in 1...target.vectorRegisters
      where cost.fits(.init(columns: productTiles, vectors: productVectors)) {
        for tiles in stride(from: productTiles, through: Self.mostTiles, by: productTiles) {
          (shape.productVectors, shape.productTiles) = (productVectors, productTiles)
          shape.tiles = tiles
          if shape.depth > 1 { shape.slices = Self.commonDivisor(tiles, nest.image.extent) }
          shapes.append(shape)
        }
      }
    }
    return shapes
  }

  /// The shape of one tile and one vector; nil where the channels fill no vectors.
  private func smallest(_ nest: WinogradNest, _ transform: WinogradTransform) -> WinogradShape? {
    let outputLanes = lanes(nest.channel.extent)
    let inputLanes = lanes(nest.input.extent, where: nest.readsOneOperand)
    guard min(inputLanes, outputLanes) >= Self.fewestLanes else { return nil }
    var shape = WinogradShape(
      transform: transform, zeros: nest.zeros(transform), tiles: 1, productTiles: 1,
      productVectors: 1, inputLanes: inputLanes, outputLanes: outputLanes)
    if let depth = nest.neighbours?.taps, shape.computedShare == 1 { shape.depth = depth }
    return shape
  }

  private static func commonDivisor(_ a: Int, _ b: Int) -> Int {
    b == 0 ? a : commonDivisor(b, a % b)
  }

  /// The widest vector that divides the channels and suits.
  private func lanes(_ channels: Int, where suits: (Int) -> Bool = { _ in true }) -> Int {
    var lanes = cost.lanes(.f32)
    while lanes > 1, channels % lanes != 0 || !suits(lanes) { lanes /= 2 }
    return lanes
  }

  // MARK: Cycles of one core

  private func directCycles(_ nest: WinogradNest) -> Double {
    let vectors = max(1, nest.channel.extent / cost.lanes(.f32))
    let tile = cost.bestTile(
      columns: nest.column.extent, channels: nest.channel.extent, element: .f32)
    let taps = nest.taps * nest.taps * nest.input.extent
    let row = cost.rowCost(tile, columns: nest.column.extent, vectors: vectors)
    return row * Double(taps * nest.row.extent * nest.image.extent)
  }

  func cycles(_ nest: WinogradNest, _ shape: WinogradShape) -> Double {
    let strips = WinogradKernel.strips(nest, shape)
    let strip =
      inputCycles(nest, shape) + outputCycles(nest, shape)
      + max(productCycles(nest, shape), memoryCycles(nest, shape))
      + 0.3 * min(productCycles(nest, shape), memoryCycles(nest, shape))
    // Threads that end first wait for half a strip on average.
    return strip * (Double(strips) + 0.5)
  }

  private func inputCycles(_ nest: WinogradNest, _ shape: WinogradShape) -> Double {
    let size = shape.transform.inputs
    let vectors = shape.inputTiles * (nest.input.extent / shape.depth / shape.inputLanes)
    return Double(vectors) * cost.transformCycles(passes: 2 * size, size: size, results: size)
  }

  private func outputCycles(_ nest: WinogradNest, _ shape: WinogradShape) -> Double {
    let (m, size) = (shape.transform.outputs, shape.transform.inputs)
    let vectors = shape.tiles * (nest.channel.extent / shape.outputLanes)
    let tail = 4 * m * m
    return Double(vectors)
      * (cost.transformCycles(passes: size + m, size: size, results: m) + Double(tail) / 2)
  }

  private func productCycles(_ nest: WinogradNest, _ shape: WinogradShape) -> Double {
    let tile = CostModel.TileShape(columns: shape.productTiles, vectors: shape.productVectors)
    let accumulators = Double(tile.columns * tile.vectors)
    let ends = 2 * accumulators + Double(4 * target.fmaLatency)
    let loads = 0.02 * Double(tile.columns + tile.vectors)
    let one =
      Double(nest.input.extent) * shape.computedShare * (cost.cyclesPerTap(tile) + loads) + ends
    let count =
      shape.products * (shape.tiles / shape.productTiles) * (nest.channel.extent / shape.block)
    return Double(count) * one
  }

  /// Cycles to bring the kernels and what the steps exchange from where they lie.
  private func memoryCycles(_ nest: WinogradNest, _ shape: WinogradShape) -> Double {
    let local = Double(WinogradKernel.localBytes(nest, shape))
    let kernels =
      Double(4 * shape.products * nest.input.extent * nest.channel.extent) * shape.computedShare
    let isNear = local + kernels <= 0.8 * Double(target.l2Bytes)
    let blocks = Double(nest.channel.extent / shape.block)
    return kernels / (isNear ? 24 : 8) + local * blocks / 24
  }
}
