import LoopIR

/// A convolution as GPUs like it: sums over kernel rows, kernel columns and channels of products of a pixel and a weight.
///
/// ```
/// for n, c, y, x { sum = initial; for ky, kx, i { if inside { sum = fma(pixel, weight, sum) } }; tail(sum) }
/// ```
/// The pixel may be any expression (an upsampled or a concatenated image, say) that does not look at the channel c,
/// and that sees rows only through strideY·y + ky and columns only through strideX·x + kx: then one tile of pixels in
/// shared memory serves all channels and all places of the kernel.
struct StagedConvolution {
  let kernel: Kernel
  let nest: ReductionNest
  let pixel: Expression
  /// The buffer of weights, read as [channel, input, ky, kx].
  let weights: String
  /// The other factor: a weight, in the accumulator's type.
  private let factor: Expression
  /// Parameters whose elements need no rounding before tensor cores multiply them.
  let factors: Set<String>
  /// Whether the weights are known before the first run, wherever the kernel is called.
  let hasConstantWeights: Bool
  let strideY: Int
  let strideX: Int

  var image: LoopNest.Dimension { nest.outer.dimensions[0] }
  var channel: LoopNest.Dimension { nest.outer.dimensions[1] }
  var row: LoopNest.Dimension { nest.outer.dimensions[2] }
  var column: LoopNest.Dimension { nest.outer.dimensions[3] }
  var kernelRow: LoopNest.Dimension { nest.reductions[0] }
  var kernelColumn: LoopNest.Dimension { nest.reductions[1] }
  var input: LoopNest.Dimension { nest.reductions[2] }

  /// Nil where the kernel is of another form.
  init?(_ kernel: Kernel, factors: Set<String> = [], hasConstantWeights: Bool = true) {
    guard let nest = ReductionNest(kernel), nest.outer.dimensions.count == 4,
      nest.reductions.count == 3, nest.isSumOfProducts,
      case .fma(let pixel, let factor, _) = nest.update,
      case .load(let weights, let indices) = factor.unconverted
    else { return nil }
    let names = nest.outer.dimensions.map(\.name)
    let reduced = nest.reductions.map(\.name)
    guard indices == [names[1], reduced[2], reduced[0], reduced[1]].map(Expression.variable),
      !pixel.variablesUsed.contains(names[1])
    else { return nil }
    let seen = [pixel] + nest.conditions
    guard !nest.conditions.contains(where: { $0.variablesUsed.contains(reduced[2]) }),
      let strideY = Self.stride(of: names[2], along: reduced[0], in: seen),
      let strideX = Self.stride(of: names[3], along: reduced[1], in: seen)
    else { return nil }
    self.kernel = kernel
    self.nest = nest
    self.pixel = pixel
    self.weights = weights
    self.factor = factor
    self.factors = factors
    self.hasConstantWeights = hasConstantWeights
    self.strideY = strideY
    self.strideX = strideX
  }

  /// The weight of a result's channel for an input channel at a place of the kernel.
  func weight(
    _ channel: Expression, _ input: Expression, _ row: Expression, _ column: Expression
  ) -> Expression {
    factor.substituting([
      self.channel.name: channel, self.input.name: input, kernelRow.name: row,
      kernelColumn.name: column,
    ])
  }

  /// The s for which the expressions do not change when `outer` grows by 1 and `inner` falls by s.
  static func stride(
    of outer: String, along inner: String, in expressions: [Expression]
  ) -> Int? {
    let known: Set<String> = [outer, inner]
    return (1...4).first { step in
      expressions.allSatisfy { expression in
        let indices = known.union(expression.variablesUsed)
        let moved = expression.substituting([
          outer: .variable(outer) + .integer(1), inner: .variable(inner) - .integer(step),
        ])
        return moved.simplified(indices: indices) == expression.simplified(indices: indices)
      }
    }
  }
}

extension Expression {
  /// What a conversion is applied to, or the expression itself.
  var unconverted: Expression {
    if case .cast(_, let value) = self { return value }
    return self
  }
}
