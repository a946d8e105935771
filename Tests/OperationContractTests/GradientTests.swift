import Diagnostics
import GraphIR
import Operations
import Tensors
import Testing

/// Every operation's gradient, evaluated in float64, against central differences of its float64 reference, and
/// against the operation itself as a linear map where it is one.
@Suite struct GradientTests {
  /// Operations through which no derivative passes though they have one: their cotangents must be zero.
  private static let blocking = [StopGradient.mnemonic]

  /// The cotangents of the operands as a function of the operands and of the results' cotangents; nil in a place
  /// means zero.
  private struct Gradient {
    var function: Function
    /// For each operand, which result of the function is its cotangent.
    var places: [Int?]

    init(_ item: Case) throws {
      var builder = GraphBuilder(try item.function())
      let (nodes, operands) = (builder.function.nodes, builder.function.arguments)
      let results = builder.function.results
      var seeds: [(value: ValueID, cotangent: ValueID)] = []
      for result in results {
        seeds.append((result, builder.argument(builder.type(of: result), name: "d")))
      }
      let cotangents = try ReverseMode.cotangents(
        of: operands, through: nodes, seeds: seeds, &builder)
      var next = 0
      places = cotangents.map { cotangent in
        if cotangent != nil { next += 1 }
        return cotangent.map { _ in next - 1 }
      }
      builder.setResults(cotangents.compactMap { $0 })
      function = builder.function
    }

    /// One tensor for each operand.
    func callAsFunction(
      _ inputs: [Tensor<Double>], _ seeds: [Tensor<Double>]
    ) throws -> [Tensor<Double>] {
      guard !function.results.isEmpty else {
        return inputs.map { $0.map { _ in 0 } }
      }
      let values = try Reference.evaluate(function, inputs: inputs + seeds)
      return zip(inputs, places).map { input, place in
        place.map { values[$0] } ?? input.map { _ in 0 }
      }
    }
  }

  private static let differentiable = Case.all.filter { !$0.sample.operands.isEmpty }

  private func run(_ item: Case, _ inputs: [Tensor<Double>]) throws -> [Tensor<Double>] {
    try Reference.evaluate(try item.function(), inputs: inputs, parameters: item.parameters)
  }

  private func random(_ shapes: [Shape], seed: UInt64) -> [Tensor<Double>] {
    var numbers = SplitMix64(seed: seed)
    return shapes.map { shape in
      var tensor = Tensor<Double>(shape, repeating: 0)
      for position in tensor.values.indices { tensor.values[position] = numbers.next(-1...1) }
      return tensor
    }
  }

  private func dot(_ a: [Tensor<Double>], _ b: [Tensor<Double>]) -> Double {
    zip(a, b).reduce(0) { $0 + zip($1.0.values, $1.1.values).reduce(0) { $0 + $1.0 * $1.1 } }
  }

  /// The inputs with `step` times a direction added.
  private func moved(
    _ inputs: [Tensor<Double>], _ direction: [Tensor<Double>], _ step: Double
  ) -> [Tensor<Double>] {
    zip(inputs, direction).map { input, direction in
      var input = input
      for position in input.values.indices {
        input.values[position] += step * direction.values[position]
      }
      return input
    }
  }

  /// Single elements of each operand, spread over it, and one direction in which all elements move.
  private func directions(_ inputs: [Tensor<Double>]) -> [[Tensor<Double>]] {
    let zero = inputs.map { $0.map { _ in 0.0 } }
    var directions = [random(inputs.map(\.shape), seed: 5)]
    for operand in inputs.indices {
      let count = inputs[operand].values.count
      for number in 0..<min(count, 12) {
        var direction = zero
        direction[operand].values[number * count / min(count, 12)] = 1
        directions.append(direction)
      }
    }
    return directions
  }

  @Test(arguments: differentiable) func isTheLimitOfDifferences(_ item: Case) throws {
    let inputs = item.inputs
    let seeds = random(try run(item, inputs).map(\.shape), seed: 11)
    let gradient = try Gradient(item)(inputs, seeds)
    for (operand, input) in zip(gradient, inputs) { try #require(operand.shape == input.shape) }
    let step = 1e-4
    for (number, direction) in directions(inputs).enumerated() {
      // Differences over one and two steps together are exact to the fourth order.
      var numbers: [Double] = []
      for steps in [2.0, 1, -1, -2] {
        numbers.append(dot(try run(item, moved(inputs, direction, steps * step)), seeds))
      }
      var limit = (8 * (numbers[1] - numbers[2]) - (numbers[0] - numbers[3])) / (12 * step)
      if Self.blocking.contains(item.operation.mnemonic) { limit = 0 }
      let claimed = dot(gradient, direction)
      let scale = max(abs(limit), gradient.flatMap(\.values).map(abs).max() ?? 0, 1e-3)
      #expect(abs(claimed - limit) <= 1e-6 * scale, "direction \(number): \(claimed), not \(limit)")
    }
  }

  /// Whether the operation is linear in one operand while the others stay.
  private func isLinear(_ item: Case, in operand: Int) throws -> Bool {
    let shape = item.inputs[operand].shape
    let (a, b) = (random([shape], seed: 21)[0], random([shape], seed: 22)[0])
    func value(_ tensor: Tensor<Double>) throws -> [Double] {
      var inputs = item.inputs
      inputs[operand] = tensor
      return try run(item, inputs).flatMap(\.values)
    }
    var sum = a
    for position in sum.values.indices {
      sum.values[position] = a.values[position] - 3 * b.values[position]
    }
    let (fromSum, fromA, fromB) = (try value(sum), try value(a), try value(b))
    return fromSum.indices.allSatisfy {
      abs(fromSum[$0] - (fromA[$0] - 3 * fromB[$0])) <= 1e-12
        * (1 + abs(fromA[$0]) + abs(fromB[$0]))
    }
  }

  /// <f(u), v> = <u, f*(v)>, to the rounding of float64.
  private func checkAdjoint(_ item: Case, of operand: Int) throws {
    var inputs = item.inputs
    inputs[operand] = random([inputs[operand].shape], seed: 31)[0]
    let results = try run(item, inputs)
    let seeds = random(results.map(\.shape), seed: 32)
    let adjoint = try Gradient(item)(inputs, seeds)[operand]
    let (forward, backward) = (dot(results, seeds), dot([inputs[operand]], [adjoint]))
    let size = dot(results.map { $0.map(abs) }, seeds.map { $0.map(abs) })
    #expect(abs(forward - backward) <= 1e-12 * max(size, 1), "operand \(operand)")
  }

  @Test func linearOperationsHaveTheirAdjoints() throws {
    var found: Set<String> = []
    for item in Self.differentiable where !Self.blocking.contains(item.operation.mnemonic) {
      for operand in item.inputs.indices where try isLinear(item, in: operand) {
        try checkAdjoint(item, of: operand)
        found.insert(item.operation.mnemonic)
      }
    }
    let known: Set = [
      "broadcast_in_dim", "convert", "convolution", "convolution_kernel_gradient", "dot_general",
      "fft", "multiply", "negate", "pad", "reduce", "reduce_window", "reshape", "reverse",
      "select", "select_and_scatter", "slice", "transpose", "upsample_nearest",
    ]
    #expect(known.subtracting(found).isEmpty)
  }
}
