import LoopIR
import Tensors

/// A convolution with 3x3 or 5x5 taps and stride 1, dilated or not, as Winograd's algorithm sees it.
///
/// Recognized from the loops: whatever the operand's expression reads, taps, times the dilation, are only added to the row
/// and the column. So the operand is a function of a row, a column and an input channel, and so are its conditions.
struct WinogradNest {
  let kernel: Kernel
  let nest: ReductionNest
  let image: LoopNest.Dimension
  let channel: LoopNest.Dimension
  let row: LoopNest.Dimension
  let column: LoopNest.Dimension
  /// The reduction's loop over input channels.
  let input: LoopNest.Dimension
  /// The operand's element at row `row.name` and column `column.name`, counted from the padding's edge.
  let operand: Expression
  /// Where the operand is slices of a volume side by side.
  let neighbours: NeighbourSlices?
  /// Whether a row, or a column, counted so is inside the operand; elsewhere it is zero.
  let conditions: [Expression]
  /// Rows, and columns, of taps.
  let taps: Int
  /// Rows, and columns, from one tap to the next.
  let dilation: (rows: Int, columns: Int)
  /// The position of the kernel's parameter that holds the weights, [output, input, row tap, column tap].
  let weights: Int

  /// Nil where the kernel is no such convolution in float32.
  init?(_ kernel: Kernel) {
    guard let nest = ReductionNest(kernel), nest.outer.dimensions.count == 4,
      nest.accumulator.element == .f32, nest.reductions.count == 3,
      case .fma(let a, let b, .load(nest.accumulator.name, _)) = nest.update
    else { return nil }
    let candidates = [(a, b), (b, a)].compactMap { operand, weights in
      Taps(kernel, nest, operand: operand, weights: weights)
    }
    guard let taps = candidates.first else { return nil }
    self.kernel = kernel
    self.nest = nest
    image = nest.outer.dimensions[0]
    channel = nest.outer.dimensions[1]
    row = nest.outer.dimensions[2]
    column = nest.outer.dimensions[3]
    input = taps.input
    operand = taps.operand
    neighbours = NeighbourSlices(taps.operand, image: image, input: taps.input)
    conditions = taps.conditions
    self.taps = taps.count
    dilation = (taps.vertical.step, taps.horizontal.step)
    weights = taps.weights
  }

  /// What is written, [image, channel, row, column].
  var result: Buffer { kernel.parameters[kernel.parameters.count - 1].buffer }

  /// The operand at an element; of a volume of slices, at one of its slices.
  func element(
    image n: Expression, row y: Expression, column x: Expression, channel i: Expression,
    ofSlices: Bool
  ) -> Expression {
    let source = ofSlices ? neighbours?.operand ?? operand : operand
    return source.substituting([image.name: n, row.name: y, column.name: x, input.name: i])
  }

  /// Whether no vector of so many channels spans two operands of a concatenation.
  func readsOneOperand(lanes: Int) -> Bool {
    for condition in operand.selectionConditions
    where condition.variablesUsed == [input.name] {
      for first in stride(from: 0, to: input.extent, by: lanes) {
        let channels = Interval(first, first + lanes - 1)
        if condition.truth([input.name: channels]) == nil { return false }
      }
    }
    return true
  }

  var isDilated: Bool { dilation != (1, 1) }

  /// The conditions at a row and a column.
  func conditions(row y: Expression, column x: Expression) -> [Expression] {
    conditions.map { $0.substituting([row.name: y, column.name: x]) }
  }
}

/// The parts of a `WinogradNest` that come from the reduction, for one choice of the operand.
private struct Taps {
  var operand: Expression
  var conditions: [Expression] = []
  let weights: Int
  let count: Int
  let input: LoopNest.Dimension
  let vertical: SlidingAxis
  let horizontal: SlidingAxis

  init?(_ kernel: Kernel, _ nest: ReductionNest, operand: Expression, weights: Expression) {
    let names = nest.outer.dimensions.map(\.name)
    guard case .load(let buffer, let indices) = weights, indices.count == 4,
      let position = kernel.parameters.firstIndex(where: { $0.buffer.name == buffer }),
      case .variable(names[1]) = indices[0], case .variable(let i) = indices[1],
      case .variable(let ky) = indices[2], case .variable(let kx) = indices[3],
      let input = nest.reductions.first(where: { $0.name == i }),
      Set(nest.reductions.map(\.name)) == [i, ky, kx]
    else { return nil }
    let taps = nest.reductions.filter { $0.name != i }
    guard [[3, 3], [5, 5]].contains(taps.map(\.extent)) else { return nil }
    count = taps[0].extent
    self.weights = position
    self.input = input
    vertical = SlidingAxis(position: names[2], tap: ky, of: operand)
    horizontal = SlidingAxis(position: names[3], tap: kx, of: operand)
    guard !operand.variablesUsed.contains(names[1]),
      let rows = vertical.collapsed(operand), let both = horizontal.collapsed(rows)
    else { return nil }
    self.operand = both
    for case .condition(let condition) in nest.steps {
      guard add(condition) else { return nil }
    }
  }

  private mutating func add(_ condition: Expression) -> Bool {
    let places = [vertical, horizontal].compactMap { $0.interval(condition) }
    conditions += places
    return !places.isEmpty
  }
}
