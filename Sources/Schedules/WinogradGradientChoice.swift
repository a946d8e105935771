import LoopIR
import Tensors

/// Chooses between the direct sum of a kernel's gradient and Winograd's algorithm, and the sizes of the latter.
struct WinogradGradientChoice {
  let target: Target
  /// The transforms to choose from.
  let transforms: [WinogradTransform]
  private var cost: CostModel { CostModel(target: target) }

  /// Vectors of fewer lanes are not worth it.
  private static let fewestLanes = 4
  /// Tiles in one strip, and the step between what is tried.
  private static let mostTiles = 96
  private static let tileStep = 8

  /// The fastest shape, or nil where the direct sum is as fast.
  func best(for nest: WinogradGradientNest) -> WinogradGradientShape? {
    let pixels = nest.image.extent * nest.row.extent * nest.column.extent
    let products = Double(9 * nest.input.extent * nest.output.extent * pixels)
    let direct = products / Double(cost.lanes(.f32) * target.fmaPerCycle)
    let fastest = shapes(for: nest).map { (shape: $0, cycles: cycles(nest, $0)) }
      .min { $0.cycles < $1.cycles }
    guard let fastest, fastest.cycles < direct else { return nil }
    return fastest.shape
  }

  /// All shapes whose local buffers have room, with the cheapest register tile for each block of channels.
  func shapes(for nest: WinogradGradientNest) -> [WinogradGradientShape] {
    let inputLanes = cost.lanes(dividing: nest.input.extent)
    let outputLanes = cost.lanes(dividing: nest.output.extent)
    guard min(inputLanes, outputLanes) >= Self.fewestLanes else { return [] }
    var shapes: [WinogradGradientShape] = []
    for transform in transforms where transform.taps == WinogradGradientNest.taps {
      for outputs in Self.blocks(nest.output.extent, outputLanes) {
        for inputs in Self.blocks(nest.input.extent, inputLanes) {
          let tile = registerTile(outputs: outputs, vectors: inputs / inputLanes)
          for tiles in stride(from: Self.tileStep, through: Self.mostTiles, by: Self.tileStep) {
            shapes.append(
              WinogradGradientShape(
                transform: transform, tiles: tiles, outputs: outputs, inputs: inputs,
                productOutputs: tile.columns, productVectors: tile.vectors, inputLanes: inputLanes,
                outputLanes: outputLanes))
          }
        }
      }
    }
    return shapes.filter { WinogradGradient.localBytes($0) <= Target.localBytes }
  }

  /// Multiples of a vector that divide the channels.
  private static func blocks(_ channels: Int, _ lanes: Int) -> [Int] {
    stride(from: lanes, through: channels, by: lanes).filter { channels % $0 == 0 }
  }

  /// Outputs by vectors of inputs; both divide what they split.
  private func registerTile(outputs: Int, vectors: Int) -> CostModel.TileShape {
    var best = CostModel.TileShape(columns: 1, vectors: 1)
    func cyclesPerProduct(_ tile: CostModel.TileShape) -> Double {
      (cost.cyclesPerTap(tile) + 0.02 * Double(tile.columns + tile.vectors))
        / Double(tile.columns * tile.vectors)
    }
    for v in 1...min(4, vectors) where vectors % v == 0 {
      for o in 1...target.vectorRegisters where outputs % o == 0 {
        let tile = CostModel.TileShape(columns: o, vectors: v)
        if cost.fits(tile), cyclesPerProduct(tile) < cyclesPerProduct(best) { best = tile }
      }
    }
    return best
  }

  // MARK: Cycles of one core

  func cycles(_ nest: WinogradGradientNest, _ shape: WinogradGradientShape) -> Double {
    let division = WinogradGradient.Division(nest, shape)
    let (products, memory) = (productCycles(shape), memoryCycles(shape))
    let strip = transformCycles(shape) + max(products, memory) + 0.3 * min(products, memory)
    return strip * Double(division.strips * division.outputBlocks * division.inputBlocks)
  }

  private func transformCycles(_ shape: WinogradGradientShape) -> Double {
    let (m, size) = (shape.transform.outputs, shape.transform.inputs)
    let source =
      Double(shape.inputs / shape.inputLanes)
      * cost.transformCycles(passes: 2 * size, size: size, results: size)
    let cotangent =
      Double(shape.outputs / shape.outputLanes)
      * cost.transformCycles(passes: m + size, size: m, results: size)
    return Double(shape.tiles) * (source + cotangent)
  }

  private func productCycles(_ shape: WinogradGradientShape) -> Double {
    let tile = CostModel.TileShape(columns: shape.productOutputs, vectors: shape.productVectors)
    let accumulators = Double(tile.columns * tile.vectors)
    let ends = 2 * accumulators + Double(4 * target.fmaLatency)
    let loads = 0.02 * Double(tile.columns + tile.vectors)
    let one = Double(shape.tiles) * (cost.cyclesPerTap(tile) + loads) + ends
    let count =
      shape.products * (shape.outputs / tile.columns)
      * (shape.inputs / (tile.vectors * shape.inputLanes))
    return Double(count) * one
  }

  /// Cycles to read and write the task's sums.
  private func memoryCycles(_ shape: WinogradGradientShape) -> Double {
    let sums = 4 * shape.products * shape.outputs * shape.inputs
    let isNear =
      Double(WinogradGradient.localBytes(shape) + sums) <= 0.8 * Double(target.l2Bytes)
    return Double(2 * sums) / (isNear ? 24 : 8)
  }
}
