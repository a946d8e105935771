import LoopIR
import Tensors

/// The gradient of a kernel of 3x3 taps and stride 1, as Winograd's algorithm sees it:
/// `dw[o, i, ky, kx] = sum over n, y, x of source(n, i, y + ky, x + kx) cotangent(n, o, y, x)`.
struct WinogradGradientNest {
  /// Rows, and columns, of taps.
  static let taps = 3

  let kernel: Kernel
  let nest: ReductionNest
  /// The result's channels.
  let output: LoopNest.Dimension
  let input: LoopNest.Dimension
  /// The result's taps.
  let rowTap: String
  let columnTap: String
  /// The reduction's loops.
  let image: LoopNest.Dimension
  let row: LoopNest.Dimension
  let column: LoopNest.Dimension
  /// The cotangent, a load, at row and column, and what the kernel met there, counted from the padding's edge.
  private let cotangent: Expression
  let source: Expression
  /// Whether a row, or a column, counted so is inside the source; elsewhere it is zero.
  private let conditions: [Expression]

  /// Nil where the kernel is no such sum in float32.
  init?(_ kernel: Kernel) {
    guard let nest = ReductionNest(kernel), nest.accumulator.element == .f32,
      nest.outer.dimensions.count == 4, nest.reductions.count == 3,
      nest.initial == .real(0, .f32),
      case .fma(let a, let b, .load(nest.accumulator.name, _)) = nest.update
    else { return nil }
    let results = nest.outer.dimensions
    guard results[2...].allSatisfy({ $0.extent == Self.taps }) else { return nil }
    (output, input) = (results[0], results[1])
    (rowTap, columnTap) = (results[2].name, results[3].name)
    (image, row, column) = (nest.reductions[0], nest.reductions[1], nest.reductions[2])
    let place = [image, output, row, column].map { Expression.variable($0.name) }
    guard
      let operands = [(a, b), (b, a)].first(where: { _, cotangent in
        if case .load(_, place) = cotangent { return true } else { return false }
      }), !operands.0.variablesUsed.contains(output.name)
    else { return nil }
    let vertical = SlidingAxis(position: row.name, tap: rowTap)
    let horizontal = SlidingAxis(position: column.name, tap: columnTap)
    let intervals = nest.conditions.map { vertical.interval($0) ?? horizontal.interval($0) }
    guard let rows = vertical.collapsed(operands.0), let source = horizontal.collapsed(rows),
      !intervals.contains(nil)
    else { return nil }
    self.kernel = kernel
    self.nest = nest
    self.source = source
    cotangent = operands.1
    conditions = intervals.compactMap { $0 }
  }

  /// The source at an element.
  func source(
    image n: Expression, row y: Expression, column x: Expression, channel i: Expression
  ) -> Expression {
    source.substituting([image.name: n, row.name: y, column.name: x, input.name: i])
  }

  /// The cotangent at an element.
  func cotangent(
    image n: Expression, row y: Expression, column x: Expression, channel o: Expression
  ) -> Expression {
    cotangent.substituting([image.name: n, row.name: y, column.name: x, output.name: o])
  }

  /// Whether the source has a row and a column, and some cotangent meets them.
  func sourceConditions(row y: Expression, column x: Expression) -> [Expression] {
    let reach = Self.taps - 1
    return conditions.map { $0.substituting([row.name: y, column.name: x]) } + [
      .binary(.less, y, .integer(row.extent + reach)),
      .binary(.less, x, .integer(column.extent + reach)),
    ]
  }

  func cotangentConditions(row y: Expression, column x: Expression) -> [Expression] {
    [.binary(.less, y, .integer(row.extent)), .binary(.less, x, .integer(column.extent))]
  }
}
