import LoopIR

/// A kernel that adds up a term over images, rows and columns for each channel, as for the statistics of batch norm:
/// `for c { sum = 0; for n, y, x { sum = sum + term }; tail(sum) }`.
///
/// The term looks at one pixel of its images alone, so that whoever writes one of them can add it up as well.
struct ChannelSum {
  let kernel: Kernel
  let term: Expression
  /// The variables of image, channel, row and column: the index of all images in the term.
  let pixel: [String]
  /// x and m where the term is (x - m)², for an image x and one number m for each channel.
  let deviation: (image: String, centre: String)?
  private let nest: ReductionNest

  private var channel: LoopNest.Dimension { nest.outer.dimensions[0] }

  /// Nil where the kernel is no such sum in float32.
  init?(_ kernel: Kernel) {
    guard let nest = ReductionNest(kernel), nest.outer.dimensions.count == 1,
      nest.reductions.count == 3, nest.conditions.isEmpty, nest.accumulator.element == .f32,
      nest.initial == .real(0, .f32),
      case .binary(.add, .load(nest.accumulator.name, _), let term) = nest.update
    else { return nil }
    self.kernel = kernel
    self.term = term
    self.nest = nest
    let (channel, reduced) = (nest.outer.dimensions[0].name, nest.reductions.map(\.name))
    pixel = [reduced[0], channel, reduced[1], reduced[2]]
    let place = pixel.map(Expression.variable)
    var looksAtPixel = term.variablesUsed.isSubset(of: pixel)
    term.forEachLoad { _, indices in
      looksAtPixel = looksAtPixel && [place, [.variable(channel)], []].contains(indices)
    }
    guard looksAtPixel else { return nil }
    deviation = Self.deviation(term, place)
  }

  private static func deviation(
    _ term: Expression, _ place: [Expression]
  ) -> (image: String, centre: String)? {
    guard case .binary(.multiply, let a, let b) = term, a == b,
      case .binary(.subtract, .load(let image, place), .load(let centre, [place[1]])) = a
    else { return nil }
    return (image, centre)
  }

  /// What a part adds up of: the term, or the image whose deviations are summed.
  var summed: Expression {
    guard let deviation else { return term }
    return .load(deviation.image, pixel.map(Expression.variable))
  }

  // MARK: The sum of all parts

  /// Adds up what `PartialSums` left, in float64 and in the order of the parts; its last parameter is the sum's result.
  ///
  /// - Parameter lanes: channels in one vector, a divisor of their number.
  func total(of parts: Buffer, lanes: Int) -> Kernel {
    var names = NameSupply(kernel)
    for name in kernel.body.definedNames { _ = names.fresh(name) }
    var parts = parts
    parts.name = names.fresh("parts")
    let (g, v) = (names.fresh("g"), names.fresh("v"))
    let total = Buffer(names.fresh("total"), .f64, extents: [lanes], space: .register)
    func overLanes(_ body: (_ lane: Expression, _ channel: Expression) -> [Statement]) -> Statement
    {
      let l = names.fresh("l")
      let channel = .variable(v) * .integer(lanes) + .variable(l)
      return .loop(
        Loop(
          l, .integer(0), .integer(lanes), kind: .vectorized, body: body(.variable(l), channel)))
    }
    let clear = overLanes { l, _ in [.store(total.name, [l], .real(0, .f64))] }
    let add = overLanes { l, channel in
      let value = part(of: parts, .variable(g), channel)
      return [.store(total.name, [l], .load(total.name, [l]) + value)]
    }
    let end = overLanes { l, channel in tail(.cast(.f32, .load(total.name, [l])), channel) }
    let adding = Loop(
      g, .integer(0), .integer(parts.extents[parts.extents.count - 2]), body: [add])
    var result = kernel
    result.name += "_total"
    result.parameters = parameters(parts)
    result.body = [
      Statement.loop(
        Loop(
          v, .integer(0), .integer(channel.extent / lanes), kind: .parallel,
          body: [.allocate(total), clear, .loop(adding), end]))
    ].simplified()
    return result
  }

  /// What one part adds; of squared deviations (sum, squared deviations from its own mean, count) those from the
  /// centre: Σ (x - m)² = Σ (x - a)² + n (a - m)², where a is the mean of n values.
  private func part(of parts: Buffer, _ g: Expression, _ channel: Expression) -> Expression {
    guard let deviation else { return .cast(.f64, .load(parts.name, [g, channel])) }
    let values = (0..<3).map {
      Expression.cast(.f64, .load(parts.name, [.integer($0), g, channel]))
    }
    let distance =
      .binary(.divide, values[0], values[2]) - .cast(.f64, .load(deviation.centre, [channel]))
    return values[1] + values[2] * (distance * distance)
  }

  /// The nest's tail for a sum.
  private func tail(_ sum: Expression, _ channel: Expression) -> [Statement] {
    nest.tail.mapExpressions { expression in
      expression.mapExpressions {
        if case .load(nest.accumulator.name, _) = $0 { return sum }
        return $0
      }.substituting(self.channel.name, with: channel)
    }
  }

  private func parameters(_ parts: Buffer) -> [KernelParameter] {
    var read = nest.tail.loadedBuffers
    if let deviation { read.insert(deviation.centre) }
    var result = kernel.parameters.filter {
      $0.access == .write || read.contains($0.buffer.name)
    }
    result.insert(KernelParameter(parts, .read), at: result.count - 1)
    return result
  }
}
