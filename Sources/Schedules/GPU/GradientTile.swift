import LoopIR
import Tensors

/// What a block computes of a kernel's gradient, and how its warps share it: each has a row of the kernel, `tiles` times
/// 16 output channels and `parts` times 8 input channels; `groups` of them have neighbouring output channels.
struct GradientTile: Hashable {
  let arithmetic: MatrixArithmetic
  var tiles: Int
  var parts: Int
  var groups: Int
  /// Rows and columns of gradients in shared memory at a time.
  var height: Int
  var width: Int

  /// Columns whose products are taken together.
  static let columns = 16
  private static let mostRows = 4
  /// Registers that sums and factors may take: what is left is for the addresses of copies. And blocks for each
  /// multiprocessor that a sum's parts should make at least.
  private static let mostRegisters = 118
  private static let blocksWanted = 2

  /// The largest that the registers have room for; nil where channels are no multiples of what matrices have.
  init?(_ form: GradientForm, _ gpu: GPU, _ precision: Precision) {
    let arithmetic = MatrixArithmetic(precision)
    let element = form.nest.accumulator.element
    guard form.output.extent % MatrixShape.rows == 0,
      form.input.extent % MatrixShape.columns == 0, element == arithmetic.shape.sum
    else { return nil }
    self.arithmetic = arithmetic
    let shapes = [(2, 4), (2, 2), (1, 4), (1, 2), (1, 1)]
    let fitting = shapes.first { tiles, parts in
      form.output.extent % (tiles * MatrixShape.rows) == 0
        && form.input.extent % (parts * MatrixShape.columns) == 0
        && Self.registers(form.kernelColumn.extent, tiles, parts, arithmetic) <= Self.mostRegisters
    }
    guard let (tiles, parts) = fitting else { return nil }
    (self.tiles, self.parts) = (tiles, parts)
    (groups, height, width) = (1, 1, Self.columns)
    let blocks = form.output.extent / (tiles * MatrixShape.rows)
    groups = largestDivisor(of: blocks, atMost: form.kernelRow.extent == 1 ? 4 : 2)
    // Two chunks for each of several blocks beside each other.
    height = Self.mostRows
    while height > 1, 2 * chunkBytes(form) > gpu.sharedBytes / 4 { height /= 2 }
    guard 2 * chunkBytes(form) <= gpu.sharedBytes, threads(form) <= 512 else { return nil }
  }

  /// Of sums and of the factors of 16 columns.
  private static func registers(
    _ places: Int, _ tiles: Int, _ parts: Int, _ arithmetic: MatrixArithmetic
  ) -> Int {
    let sums = tiles * (places * parts + (arithmetic.sumsApart ? 1 : 0)) * MatrixShape.sumCount
    let shape = arithmetic.shape
    let factors = columns / shape.depth * (tiles * shape.leftCount + shape.rightCount)
    return sums * arithmetic.sumWords + factors / shape.packing * arithmetic.factorWords
  }

  func threads(_ form: GradientForm) -> Int {
    form.kernelRow.extent * groups * MatrixShape.warp
  }

  var outputs: Int { groups * tiles * MatrixShape.rows }
  var inputs: Int { parts * MatrixShape.columns }

  /// Whether fragments are read as matrices, and how many parts' together.
  var readsMatrices: Bool { arithmetic == .bf16 }
  var partsRead: Int { readsMatrices && parts % 2 == 0 ? 2 : 1 }

  /// Blocks for each part of the sum.
  func blocks(_ form: GradientForm) -> Int {
    form.output.extent / outputs * (form.input.extent / inputs)
  }

  /// Parts of the sum that fill the GPU.
  func partsWanted(_ form: GradientForm, _ gpu: GPU) -> Int {
    (Self.blocksWanted * gpu.multiprocessors + blocks(form) - 1) / blocks(form)
  }

  func pixelRows(_ form: GradientForm) -> Int {
    (height - 1) * form.strideY + form.kernelRow.extent
  }

  func pixelColumns(_ form: GradientForm) -> Int {
    (width - 1) * form.strideX + form.kernelColumn.extent
  }

  /// Elements from one place to the next, so that 4 pairs of places times 8 channels lie in different banks.
  func pitch(_ channels: Int) -> Int {
    let units = channels * arithmetic.element.byteCount / 16
    if arithmetic.element == .bf16 { return (units | 1) * 8 }
    // 8 or 24 words beyond a multiple of 32.
    return [2, 6].map { $0 + (max(0, units - $0) + 7) / 8 * 8 }.min().map { $0 * 4 } ?? channels
  }

  private func chunkBytes(_ form: GradientForm) -> Int {
    let pixels = pixelRows(form) * pixelColumns(form) * pitch(inputs)
    return (pixels + height * width * pitch(outputs)) * arithmetic.element.byteCount
  }
}
