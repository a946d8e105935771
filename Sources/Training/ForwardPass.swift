import Diagnostics
import GraphIR
import Operations
import Tensors

/// A network and its loss as a function of `x` and `target`; weights are still `parameter` operations.
struct ForwardPass {
  /// Results: the loss, then in training mean and variance of each batch norm's batch.
  private(set) var function: Function
  /// What each batch norm stores.
  private(set) var statistics: [Statistics] = []

  struct Statistics {
    /// The parameters' names.
    var mean: String
    var variance: String
    /// Numbers that one mean is taken over, in all processes.
    var count: Int
  }

  /// In training, batch norm uses the batch's own statistics, those of `synchronized` processes together; else the
  /// stored ones.
  ///
  /// Throws where the network has several outputs or the loss does not take them.
  init(
    _ network: Function, loss: LossFunction, name: String, isTraining: Bool, synchronized: Int = 1
  ) throws(Diagnostic) {
    guard network.results.count == 1, network.arguments.count == 1 else {
      throw Diagnostic(
        "a network with \(network.results.count) outputs cannot be trained",
        help: "train a network with one image in and one out")
    }
    var builder = GraphBuilder(Function(name))
    let output = network.type(of: network.results[0])
    var mapping = [
      network.arguments[0]: builder.argument(network.type(of: network.arguments[0]), name: "x")
    ]
    let target = builder.argument(output, name: "target")
    var batchStatistics: [ValueID] = []
    function = builder.function
    for node in network.nodes {
      builder.location = node.location
      let operands = node.operands.compactMap { mapping[$0] }
      let names = node.results.map { network.name(of: $0) }
      var operation: any Operation = node.operation
      var kept = operands
      if isTraining, let norm = node.operation as? BatchNormInference {
        let training = BatchNormTraining(epsilon: norm.epsilon)
        operation = training
        kept = Array(operands[..<3])
        statistics.append(try Self.statistics(node, network, processes: synchronized))
        if synchronized > 1 {
          let parts = try training.decompose(kept, &builder) { mean, builder throws(Diagnostic) in
            try builder.apply(AllReduce(), mean)
          }
          batchStatistics += parts[1...]
          mapping[node.results[0]] = parts[0]
          continue
        }
      }
      let results = try builder.results(operation, kept, names: names)
      if operation is BatchNormTraining { batchStatistics += results[1...] }
      for (old, new) in zip(node.results, results) { mapping[old] = new }
    }
    builder.location = nil
    let prediction = mapping[network.results[0]] ?? target
    let value = try loss.append(prediction, target, &builder)
    builder.setName("loss", of: value)
    builder.setResults([value] + batchStatistics)
    function = builder.function
  }

  private static func statistics(
    _ node: Node, _ network: Function, processes: Int
  ) throws(Diagnostic) -> Statistics {
    let definitions = network.definitions()
    let names = node.operands[3...].map { operand in
      definitions[operand].flatMap { network.nodes[$0].operation as? ParameterOperation }?.name
    }
    guard let mean = names[0], let variance = names[1] else {
      throw Diagnostic(
        "the statistics of this batch norm are no parameters, so training cannot store them",
        at: node.location)
    }
    let shape = network.type(of: node.operands[0]).shape
    return Statistics(
      mean: mean, variance: variance, count: processes * shape.elementCount / shape[1])
  }
}
