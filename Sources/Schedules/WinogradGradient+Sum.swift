import LoopIR
import Tensors

/// The sum of all parts, and its transform back: Gᵀ U G, in float64, rounded once.
extension WinogradGradient {
  /// Its last parameter is the original result.
  mutating func total() -> Kernel {
    let (o, v) = (names.fresh("c"), names.fresh("v"))
    let first = .variable(v) * .integer(shape.inputLanes)
    let sums = Buffer(
      names.fresh("sums"), .f32, extents: [shape.products, shape.inputLanes], space: .stack)
    let body =
      [.allocate(sums)] + addedUp(sums.name, .variable(o), first)
      + results(sums.name, .variable(o), first)
    let used = nest.nest.tail.loadedBuffers
    var result = nest.kernel
    result.name += "_winograd\(shape.transform.label)_sum"
    result.parameters = nest.kernel.parameters.filter {
      $0.access.writes || used.contains($0.buffer.name)
    }
    result.parameters.insert(KernelParameter(buffer, .read), at: result.parameters.count - 1)
    let overInputs = loop(v, nest.input.extent / shape.inputLanes, body)
    result.body = [
      loop(o, nest.output.extent, kind: .parallel, [overInputs])
    ].simplified()
    return result
  }

  /// The products of an output channel and a vector of input channels from the first on, part by part.
  private mutating func addedUp(
    _ sums: String, _ output: Expression, _ first: Expression
  ) -> [Statement] {
    let division = Division(nest, shape)
    let (task, o, i) = (names.fresh("task"), names.fresh("o"), names.fresh("i"))
    let (p, g) = (names.fresh("p"), names.fresh("g"))
    let source = buffer.name
    let block =
      .binary(.divide, output, .integer(shape.outputs)) * .integer(division.inputBlocks)
      + .binary(.divide, first, .integer(shape.inputs))
    let part = .variable(g) * .integer(division.outputBlocks * division.inputBlocks)
    let clear = overLanes { [.store(sums, [.variable(p), $0], .real(0, .f32))] }
    let add = overLanes { l in
      let place = [part + .variable(task), .variable(p), .variable(o), .variable(i) + l]
      let sum = Expression.load(sums, [.variable(p), l]) + .load(source, place)
      return [.store(sums, [.variable(p), l], sum)]
    }
    return [
      .bind(task, block),
      .bind(o, .binary(.remainder, output, .integer(shape.outputs))),
      .bind(i, .binary(.remainder, first, .integer(shape.inputs))),
      loop(p, shape.products, [clear, loop(g, division.parts, [add])]),
    ]
  }

  private mutating func results(
    _ sums: String, _ output: Expression, _ first: Expression
  ) -> [Statement] {
    let nest = nest
    let size = Expression.integer(shape.transform.inputs)
    return TileTransform(
      matrix: shape.transform.kernelMatrix.transposed(), lanes: shape.inputLanes, element: .f64
    ).statements(
      &names,
      load: { row, column, lane in .cast(.f64, .load(sums, [row * size + column, lane])) },
      store: { row, column, value, lane, names in
        let sum = names.fresh("sum")
        let place: [String: Expression] = [
          nest.output.name: output, nest.input.name: first + lane, nest.rowTap: row,
          nest.columnTap: .integer(column),
        ]
        let tail = nest.nest.tail.mapExpressions { expression in
          expression.mapExpressions {
            if case .load(nest.nest.accumulator.name, _) = $0 { return .variable(sum) }
            return $0
          }.substituting(place)
        }
        return [.bind(sum, .cast(.f32, value))] + names.renamed(tail)
      })
  }
}
