import LoopIR
import Tensors

/// Transforms the weights of a convolution for Winograd's algorithm: U = G g Gᵀ, in float64, rounded once.
struct WinogradWeights {
  private let nest: WinogradNest
  private let shape: WinogradShape
  private let weights: Buffer

  init(_ nest: WinogradNest, _ shape: WinogradShape) {
    self.nest = nest
    self.shape = shape
    weights = nest.kernel.parameters[nest.weights].buffer
  }

  /// `for block, i, k { out[block, p, i, k] = (G w[block * size + k, i] Gᵀ)[p] }`
  func kernel() -> Kernel {
    var source = weights
    source.name = "w"
    let result = WinogradKernel.weights(nest, shape, name: "u")
    var kernel = Kernel(
      "winograd\(shape.transform.label)_weights_\(nest.channel.extent)x\(nest.input.extent)_\(shape.block)",
      parameters: [KernelParameter(source, .read), KernelParameter(result, .write)], body: [])
    var names = NameSupply(kernel)
    let (block, i, k) = (names.fresh("block"), names.fresh("i"), names.fresh("k"))
    func loop(_ name: String, _ extent: Int, _ body: [Statement]) -> Statement {
      .loop(Loop(name, .integer(0), .integer(extent), body: body))
    }
    let body = transform(block, i, k, &names)
    kernel.body = [
      loop(
        block, nest.channel.extent / shape.block,
        [loop(i, nest.input.extent, [loop(k, shape.block, body)])])
    ].simplified()
    return kernel
  }

  private func transform(
    _ block: String, _ i: String, _ k: String, _ names: inout NameSupply
  ) -> [Statement] {
    let map = LinearMap(matrix: shape.transform.kernelMatrix, element: .f64, isFused: false)
    let (taps, size) = (WinogradTransform.kernelTaps, shape.transform.inputs)
    let half = Buffer(names.fresh("half"), .f64, extents: [size, taps], space: .register)
    let (x, row) = (names.fresh("x"), names.fresh("row"))
    let channel = .variable(block) * .integer(shape.block) + .variable(k)
    let down = map.apply(
      to: (0..<taps).map {
        .cast(.f64, .load("w", [channel, .variable(i), .integer($0), .variable(x)]))
      }, &names)
    let across = map.apply(
      to: (0..<taps).map { .load(half.name, [.variable(row), .integer($0)]) }, &names)
    let first = down.results.enumerated().map { r, value in
      Statement.store(half.name, [.integer(r), .variable(x)], value)
    }
    let second = across.results.enumerated().map { column, value in
      let product = .variable(row) * .integer(size) + .integer(column)
      return Statement.store(
        "u", [.variable(block), product, .variable(i), .variable(k)], .cast(.f32, value))
    }
    func unrolled(_ name: String, _ extent: Int, _ body: [Statement]) -> Statement {
      .loop(Loop(name, .integer(0), .integer(extent), kind: .unrolled, body: body))
    }
    return [
      .allocate(half), unrolled(x, taps, down.statements + first),
      unrolled(row, size, across.statements + second),
    ]
  }
}
