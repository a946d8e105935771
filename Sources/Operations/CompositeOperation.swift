import Diagnostics
import GraphIR
import Tensors

/// An operation that stands for several others; its meaning is still its own `evaluate`, with which the tests
/// compare the decomposition.
public protocol CompositeOperation: TensorOperation {
  /// The results, computed by other operations.
  func decompose(
    _ operands: [ValueID], _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID]
}

extension CompositeOperation {
  /// There are no loops of its own: `Function.decomposed` comes first.
  public func computation(operands: [TensorType], result: TensorType) -> Computation { .source }

  /// The gradient of the decomposition.
  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    let first = builder.function.nodes.count
    let results = try decompose(call.operands, &builder)
    let seeds = zip(results, call.cotangents).compactMap { result, cotangent in
      cotangent.map { (value: result, cotangent: $0) }
    }
    return try ReverseMode.cotangents(
      of: call.operands, through: Array(builder.function.nodes[first...]), seeds: seeds, &builder)
  }
}

extension Function {
  /// The function with its composite operations written out; nil where it has none.
  public func decomposed() throws(Diagnostic) -> Function? {
    guard nodes.contains(where: { $0.operation is any CompositeOperation }) else { return nil }
    var builder = GraphBuilder(Function(name))
    var mapping: [ValueID: ValueID] = [:]
    for argument in arguments {
      mapping[argument] = builder.argument(type(of: argument), name: self.name(of: argument) ?? "")
    }
    for node in nodes {
      builder.location = node.location
      let operands = node.operands.compactMap { mapping[$0] }
      let names = node.results.map { self.name(of: $0) }
      let results: [ValueID]
      if let composite = node.operation as? any CompositeOperation {
        results = try composite.decompose(operands, &builder)
        for (result, name) in zip(results, names) { builder.setName(name, of: result) }
      } else {
        results = try builder.results(
          node.operation, operands, regions: node.regions, names: names)
      }
      for (old, new) in zip(node.results, results) { mapping[old] = new }
    }
    builder.setResults(results.compactMap { mapping[$0] })
    return builder.function
  }
}
