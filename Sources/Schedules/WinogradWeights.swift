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

  /// `for i, block, vectors of k { out[block, p, i, k] = (G w[block * size + k, i] Gᵀ)[p] }`
  func kernel() -> Kernel {
    var source = weights
    source.name = "w"
    let result = WinogradKernel.weights(nest, shape, name: "u")
    var kernel = Kernel(
      "winograd\(shape.transform.label)_weights_\(nest.channel.extent)x\(nest.input.extent)_\(shape.block)",
      parameters: [KernelParameter(source, .read), KernelParameter(result, .write)], body: [])
    var names = NameSupply(kernel)
    let (block, i, v) = (names.fresh("block"), names.fresh("i"), names.fresh("v"))
    let loops = [
      (v, shape.productVectors, LoopKind.serial),
      (block, nest.channel.extent / shape.block, .serial), (i, nest.input.extent, .parallel),
    ]
    kernel.body = loops.reduce(transform(block, i, v, &names)) { body, loop in
      [.loop(Loop(loop.0, .integer(0), .integer(loop.1), kind: loop.2, body: body))]
    }.simplified()
    return kernel
  }

  private func transform(
    _ block: String, _ i: String, _ v: String, _ names: inout NameSupply
  ) -> [Statement] {
    let size = Expression.integer(shape.transform.inputs)
    let lanes = shape.outputLanes
    func channel(_ lane: Expression) -> Expression { .variable(v) * .integer(lanes) + lane }
    let first = .variable(block) * .integer(shape.block)
    return TileTransform(
      matrix: shape.transform.kernelMatrix, lanes: lanes, element: .f64
    ).statements(
      &names,
      load: { row, column, lane in
        .cast(.f64, .load("w", [first + channel(lane), .variable(i), row, column]))
      },
      store: { row, column, value, lane, _ in
        let product = row * size + .integer(column)
        return [
          .store(
            "u", [.variable(block), product, .variable(i), channel(lane)], .cast(.f32, value))
        ]
      })
  }
}
