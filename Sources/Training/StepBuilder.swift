import Diagnostics
import GraphIR
import Networks
import Operations
import Tensors

/// Turns a model's `parameter` operations into arguments, so that they may change from run to run.
struct ParameterArguments {
  private let function: Function
  private let model: NetworkModel
  private(set) var builder: GraphBuilder
  /// The argument of each parameter.
  private(set) var values: [String: ValueID] = [:]

  init(_ function: Function, _ model: NetworkModel) {
    self.function = function
    self.model = model
    builder = GraphBuilder(Function(function.name))
  }

  /// The same operations, with the function's own arguments first, then all parameters of the model; other
  /// parameters (those of the loss) stay.
  ///
  /// `exchanging` takes the mean of each result over all processes, as soon as it is there: the exchange goes on while
  /// later operations are computed.
  mutating func replaced(exchanging: Bool = false) throws(Diagnostic) -> GraphBuilder {
    var mapping: [ValueID: ValueID] = [:]
    var means: [ValueID: ValueID] = [:]
    let isExchanged = exchanging ? Set(function.results) : []
    for argument in function.arguments {
      mapping[argument] = builder.argument(
        function.type(of: argument), name: function.name(of: argument) ?? "")
    }
    for parameter in model.parameters {
      values[parameter.name] = builder.argument(
        TensorType(parameter.shape, .f32), name: parameter.name)
    }
    for node in function.nodes {
      builder.location = node.location
      if let parameter = node.operation as? ParameterOperation, let value = values[parameter.name] {
        mapping[node.results[0]] = value
        continue
      }
      let results = try builder.results(
        node.operation, node.operands.compactMap { mapping[$0] }, regions: node.regions,
        names: node.results.map { function.name(of: $0) })
      for (old, new) in zip(node.results, results) {
        mapping[old] = new
        if isExchanged.contains(old) { means[old] = try builder.apply(AllReduce(), new) }
      }
    }
    builder.location = nil
    builder.setResults(function.results.compactMap { means[$0] ?? mapping[$0] })
    return builder
  }
}

/// Appends the optimizer to a differentiated forward pass.
struct StepBuilder {
  private let derived: Function
  private let forward: ForwardPass
  private let differentiated: [String]
  private let model: NetworkModel
  private let options: TrainingOptions

  init(
    _ derived: Function, forward: ForwardPass, differentiated: [String], model: NetworkModel,
    options: TrainingOptions
  ) {
    self.derived = derived
    self.forward = forward
    self.differentiated = differentiated
    self.model = model
    self.options = options
  }

  mutating func graph() throws(Diagnostic) -> TrainingGraph {
    var arguments = ParameterArguments(derived, model)
    // Statistics that are synchronized already stay as they are: the mean of equal numbers.
    var builder = try arguments.replaced(exchanging: options.processes > 1)
    let results = builder.function.results
    let statistics = Array(results[1..<1 + 2 * forward.statistics.count])
    let gradients = try regularized(
      Array(results[(1 + statistics.count)...]), arguments.values, &builder)
    var next = arguments.values
    try updateStatistics(statistics, &next, &builder)
    let state = try updateWeights(gradients, &next, &builder)
    var final = [results[0]]
    for parameter in model.parameters {
      final += [next[parameter.name]].compactMap { $0 }
    }
    builder.setResults(final + state.results)
    return TrainingGraph(
      function: builder.function, parameters: model.parameters.map(\.name), state: state.tensors)
  }

  /// Clipped gradients with weight decay, by the name of the weight.
  private func regularized(
    _ gradients: [ValueID], _ weights: [String: ValueID], _ b: inout GraphBuilder
  ) throws(Diagnostic) -> [String: ValueID] {
    var gradients = gradients
    if let clip = options.clip, !gradients.isEmpty {
      let scale = try clippingScale(gradients, clip, &b)
      for index in gradients.indices {
        let wide = try b.broadcast(scale, to: b.shape(of: gradients[index]))
        gradients[index] = try b.multiply(gradients[index], wide)
      }
    }
    var named: [String: ValueID] = [:]
    for (name, gradient) in zip(differentiated, gradients) {
      named[name] = gradient
      if options.weightDecay > 0, let weight = weights[name] {
        named[name] = try b.add(gradient, try b.multiply(weight, options.weightDecay))
      }
    }
    return named
  }

  /// clip / max(norm, clip), where norm is that of all gradients together.
  private func clippingScale(
    _ gradients: [ValueID], _ clip: Double, _ b: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID {
    var total: ValueID?
    for gradient in gradients {
      let rank = b.shape(of: gradient).rank
      let square = try b.sum(try b.multiply(gradient, gradient), over: Array(0..<rank))
      if let sum = total { total = try b.add(sum, square) } else { total = square }
    }
    guard let total else { throw Diagnostic("there is no gradient to clip") }
    let limit = try b.constant(clip, like: total)
    return try b.divide(limit, try b.apply(Maximum(), try b.apply(Sqrt(), total), limit))
  }

  /// Running statistics; the stored variance is the unbiased one (count - 1), as in TensorFlow's fused kernel and in
  /// PyTorch, although the batch itself is normalized by the biased one.
  private func updateStatistics(
    _ values: [ValueID], _ next: inout [String: ValueID], _ b: inout GraphBuilder
  ) throws(Diagnostic) {
    let momentum = options.batchNormMomentum
    for (number, statistics) in forward.statistics.enumerated() {
      let correction = Double(statistics.count) / Double(max(1, statistics.count - 1))
      let updates = [
        (statistics.mean, 2 * number, 1), (statistics.variance, 2 * number + 1, correction),
      ]
      for (name, place, factor) in updates {
        guard let old = next[name] else { continue }
        let new = try b.multiply(values[place], (1 - momentum) * factor)
        let sum = try b.add(try b.multiply(old, momentum), new)
        b.setName("\(name).next", of: sum)
        next[name] = sum
      }
    }
  }

  /// Replaces each weight that has a gradient by its new value; returns the new state.
  private func updateWeights(
    _ gradients: [String: ValueID], _ next: inout [String: ValueID], _ b: inout GraphBuilder
  ) throws(Diagnostic) -> (tensors: [TrainingGraph.StateTensor], results: [ValueID]) {
    var tensors: [TrainingGraph.StateTensor] = []
    var arguments: [ValueID] = []
    func declare(_ owner: String, _ slot: Optimizer.Slot, _ shape: Shape) -> ValueID {
      let name = "\(owner)/\(slot.name)"
      tensors.append(.init(name: name, shape: shape, initial: slot.initial))
      let value = b.argument(TensorType(shape, .f32), name: "\(owner).\(slot.name)")
      arguments.append(value)
      return value
    }
    let trained = model.parameters.filter { gradients[$0.name] != nil }
    var slots: [[ValueID]] = []
    for parameter in trained {
      slots.append(options.optimizer.slots.map { declare(parameter.name, $0, parameter.shape) })
    }
    let shared = options.optimizer.sharedSlots.map {
      declare(options.optimizer.rule.rawValue, $0, .scalar)
    }
    let rate = b.argument(TensorType(.scalar, .f32), name: "learning_rate")
    var results: [ValueID] = []
    for (parameter, own) in zip(trained, slots) {
      guard let weight = next[parameter.name], let gradient = gradients[parameter.name] else {
        continue
      }
      let update = try options.optimizer.update(
        weight, gradient, own, rate: rate, shared: shared, &b)
      b.setName("\(parameter.name).next", of: update.weight)
      next[parameter.name] = update.weight
      results += update.slots
    }
    results += try options.optimizer.advanced(shared, &b)
    for (result, argument) in zip(results, arguments) {
      b.setName((b.function.name(of: argument) ?? "") + ".next", of: result)
    }
    return (tensors, results)
  }
}
