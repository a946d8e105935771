import LoopIR
import Tensors

/// Weights that a kernel takes in place of a convolution's, and what makes them.
struct TransformedWeights {
  var parameter: String
  /// What distinguishes them from other forms of the same weights.
  var label: String
  var buffer: Buffer
  /// For `prepare`: the weights, then what is made of them.
  var kernel: Kernel
}

/// Transforms the weights of a convolution for `WinogradMatrixKernel`: U = G g Gᵀ, in float64, rounded once.
struct WinogradMatrixWeights {
  private let form: StagedConvolution
  private let transform: WinogradTransform
  private let weights: Buffer

  /// Nil where the form's weights are no parameter.
  init?(_ form: StagedConvolution, _ transform: WinogradTransform) {
    guard let parameter = form.kernel.parameters.first(where: { $0.buffer.name == form.weights })
    else { return nil }
    (self.form, self.transform, weights) = (form, transform, parameter.buffer)
  }

  /// [product, output channel, input channel], as tensor cores take it: neighbouring inputs beside each other.
  func buffer(_ name: String) -> Buffer {
    let size = transform.inputs
    var buffer = Buffer(
      name, .f32, extents: [size * size, form.channel.extent, form.input.extent])
    buffer.alignment = PlanMemory.alignment
    return buffer
  }

  func transformed() -> TransformedWeights {
    TransformedWeights(
      parameter: form.weights, label: "winograd\(transform.label)_matrix", buffer: buffer("u"),
      kernel: kernel())
  }

  /// `for c, i { out[p, c, i] = (G w[c, i] Gᵀ)[p] }`
  private func kernel() -> Kernel {
    var source = weights
    source.name = "w"
    let (channels, inputs) = (form.channel.extent, form.input.extent)
    var kernel = Kernel(
      "winograd\(transform.label)_matrix_weights_\(channels)x\(inputs)",
      parameters: [KernelParameter(source, .read), KernelParameter(buffer("u"), .write)],
      body: [])
    var names = NameSupply(kernel)
    let (c, i) = (names.fresh("c"), names.fresh("i"))
    let size = Expression.integer(transform.inputs)
    let body = TileTransform(matrix: transform.kernelMatrix, lanes: 1, element: .f64).statements(
      &names,
      load: { row, column, _ in
        .cast(.f64, .load("w", [.variable(c), .variable(i), row, column]))
      },
      store: { row, column, value, _, _ in
        let place = [row * size + .integer(column), .variable(c), .variable(i)]
        return [.store("u", place, .cast(.f32, value))]
      })
    let inner = Statement.loop(Loop(i, .integer(0), .integer(inputs), body: body))
    kernel.body = [
      .loop(Loop(c, .integer(0), .integer(channels), kind: .parallel, body: [inner]))
    ].simplified()
    return kernel
  }
}
