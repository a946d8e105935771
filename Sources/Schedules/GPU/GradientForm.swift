import LoopIR

/// The gradient of a convolution's kernel, as GPUs like it: a sum over all images of products of a pixel and a gradient.
///
/// ```
/// for n, c, ky, kx { sum = 0; for image, row, column { if inside { sum = fma(pixel, gradient, sum) } }; tail(sum) }
/// ```
/// The pixel may be any expression that does not look at n and that sees rows only through strideY·row + ky, columns only
/// through strideX·column + kx; the gradient any that looks at the image, n, the row and the column alone.
struct GradientForm {
  let kernel: Kernel
  let nest: ReductionNest
  let pixel: Expression
  let gradient: Expression
  let strideY: Int
  let strideX: Int
  /// Parameters whose elements need no rounding before tensor cores multiply them.
  let factors: Set<String>

  var output: LoopNest.Dimension { nest.outer.dimensions[0] }
  var input: LoopNest.Dimension { nest.outer.dimensions[1] }
  var kernelRow: LoopNest.Dimension { nest.outer.dimensions[2] }
  var kernelColumn: LoopNest.Dimension { nest.outer.dimensions[3] }
  var image: LoopNest.Dimension { nest.reductions[0] }
  var row: LoopNest.Dimension { nest.reductions[1] }
  var column: LoopNest.Dimension { nest.reductions[2] }

  /// Nil where the kernel is of another form.
  init?(_ kernel: Kernel, factors: Set<String> = []) {
    guard let nest = SumInParts.nest(of: kernel), nest.outer.dimensions.count == 4,
      case .fma(let pixel, let gradient, _) = nest.update
    else { return nil }
    let names = nest.outer.dimensions.map(\.name)
    let reduced = nest.reductions.map(\.name)
    let seen = [pixel] + nest.conditions
    guard !seen.contains(where: { $0.variablesUsed.contains(names[0]) }),
      gradient.variablesUsed.isDisjoint(with: names.dropFirst()),
      !nest.conditions.contains(where: {
        $0.variablesUsed.contains(names[1]) || $0.variablesUsed.contains(reduced[0])
      }),
      let strideY = StagedConvolution.stride(of: reduced[1], along: names[2], in: seen),
      let strideX = StagedConvolution.stride(of: reduced[2], along: names[3], in: seen)
    else { return nil }
    (self.kernel, self.nest, self.pixel, self.gradient) = (kernel, nest, pixel, gradient)
    (self.strideY, self.strideX, self.factors) = (strideY, strideX, factors)
  }
}
