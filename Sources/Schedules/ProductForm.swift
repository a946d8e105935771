import LoopIR

/// A batch of products of matrices, as `dot_general` is lowered: some dimensions of the result choose what of both
/// factors is multiplied, then some choose of the first alone, then some of the second alone.
///
/// ```
/// for b, m, n { sum = 0; for k0 { sum = fma(left[b, m, k0], right[b, k0, n], sum) }; tail(sum) }
/// ```
/// The factors may be any expressions: transposed, repeated or cut out of what lies in memory.
struct ProductForm {
  /// One factor, and the result's dimensions that look at it alone.
  struct Factor {
    var value: Expression
    var dimensions: [LoopNest.Dimension]

    var extent: Int { dimensions.reduce(1) { $0 * $1.extent } }
  }

  let nest: ReductionNest
  let batches: [LoopNest.Dimension]
  let left: Factor
  let right: Factor

  /// Sums of more terms than this for each element of the result are better shared among threads than its elements.
  static let termsForElement = 8

  /// Nil where the kernel is of another form, or has few elements of long sums and threads are to share it.
  init?(_ kernel: Kernel, isPart: Bool = false) {
    guard let nest = ReductionNest(kernel), nest.conditions.isEmpty, !nest.reductions.isEmpty,
      isPart || nest.hasManyResults,
      case .fma(let left, let right, .load(nest.accumulator.name, _)) = nest.update
    else { return nil }
    let (inLeft, inRight) = (left.variablesUsed, right.variablesUsed)
    // Names tell it from a convolution to one channel, which is such a product too.
    let isNamed = nest.reductions.enumerated().allSatisfy { $0.element.name == "k\($0.offset)" }
    guard isNamed,
      nest.reductions.allSatisfy({ inLeft.contains($0.name) && inRight.contains($0.name) })
    else { return nil }
    var parts: [[LoopNest.Dimension]] = [[], [], []]
    var last = 0
    for dimension in nest.outer.dimensions {
      let isShared = inLeft.contains(dimension.name) == inRight.contains(dimension.name)
      // Which factor has a dimension of one element makes no difference.
      if dimension.extent == 1 {
        parts[0].append(dimension)
        continue
      }
      let part = isShared ? 0 : inLeft.contains(dimension.name) ? 1 : 2
      guard part >= last else { return nil }
      last = part
      parts[part].append(dimension)
    }
    self.nest = nest
    batches = parts[0]
    self.left = Factor(value: left, dimensions: parts[1])
    self.right = Factor(value: right, dimensions: parts[2])
  }
}

extension ReductionNest {
  /// Whether its results are so many that threads share them, and not the sums.
  var hasManyResults: Bool {
    reductions.reduce(1) { $0 * $1.extent } / ProductForm.termsForElement
      <= outer.dimensions.reduce(1) { $0 * $1.extent }
  }
}

extension Kernel {
  /// By how many elements the places of an expression's loads move where a variable grows by 1: 0 where it is in none
  /// of them; nil where that differs, between loads or from one value to the next.
  func stride(of variable: String, in expression: Expression) -> Int? {
    let strides = strides(of: variable, in: expression)
    return strides.count == 1 ? strides.first ?? nil : nil
  }

  /// The same of all loads; one is nil where it differs from one value to the next.
  func strides(of variable: String, in expression: Expression) -> Set<Int?> {
    var strides: Set<Int?> = []
    expression.forEachLoad { name, indices in
      guard let buffer = parameters.first(where: { $0.buffer.name == name })?.buffer else { return }
      var sum: Int? = 0
      for (index, stride) in zip(indices, buffer.strides)
      where index.variablesUsed.contains(variable) {
        let moved = index.substituting(variable, with: .variable(variable) + .integer(1))
        guard case .integer(let step) = (moved - index).simplifiedIndex() else {
          sum = nil
          break
        }
        sum = sum.map { $0 + step * stride }
      }
      strides.insert(sum)
    }
    return strides
  }
}
