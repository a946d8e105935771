import Diagnostics
import GraphIR
import Operations
import Tensors

/// Appends the gradient of the function's first result, a scalar, with respect to each parameter.
///
/// ```
/// %w = parameter "w"
/// %1 = multiply %w, %w
/// %2 = reduce %1 {reducer = add, dimensions = [0]}
/// return %2
/// ```
/// becomes
/// ```
/// %w = parameter "w"
/// %1 = multiply %w, %w
/// %2 = reduce %1 {reducer = add, dimensions = [0]}
/// %0 = constant 1.0
/// %3 = broadcast_in_dim %0 {dimensions = []}
/// %4 = multiply %3, %w
/// %5 = multiply %3, %w
/// %w.gradient = add %4, %5
/// return %2, %w.gradient
/// ```
/// Gradients follow the function's results in the order in which it names its parameters first; parameters that
/// only reach the result through `stop_gradient`, or not at all, have none.
public struct Differentiate: GraphPass {
  public static let name = "differentiate"
  public static let summary =
    "Appends the gradients of the first result, a scalar, with respect to the parameters."
  public static let keepsResults = false

  public init() {}

  public func run(_ context: inout GraphPassContext) throws(Diagnostic) {
    context.replace(with: try Self.differentiated(context.function).function)
  }

  /// The function with its gradients, and the parameters that they belong to, in order.
  public static func differentiated(
    _ function: Function
  ) throws(Diagnostic) -> (function: Function, parameters: [String]) {
    let nodes = function.nodes
    guard let loss = function.results.first, function.type(of: loss).shape.rank == 0,
      function.type(of: loss).element.isFloat
    else {
      throw Diagnostic(
        "only a function whose first result is a floating-point scalar can be differentiated",
        help: "sum the result up with reduce, or give a function that returns a loss")
    }
    let sources = nodes.compactMap { node in
      (node.operation as? ParameterOperation).map { (name: $0.name, value: node.results[0]) }
    }
    var builder = GraphBuilder(function)
    let one = try builder.constant(1, like: loss)
    let cotangents = try ReverseMode.cotangents(
      of: sources.map(\.value), through: nodes, seeds: [(loss, one)], &builder)
    let merged = try merge(sources.map(\.name), cotangents, &builder)
    for (name, gradient) in merged { builder.setName("\(name).gradient", of: gradient) }
    builder.setResults(function.results + merged.map(\.gradient))
    return (builder.function, merged.map(\.name))
  }

  /// One gradient for each name: a parameter may stand in the function several times.
  private static func merge(
    _ names: [String], _ cotangents: [ValueID?], _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [(name: String, gradient: ValueID)] {
    var merged: [(name: String, gradient: ValueID)] = []
    for (name, cotangent) in zip(names, cotangents) {
      guard let cotangent else { continue }
      if let place = merged.firstIndex(where: { $0.name == name }) {
        merged[place].gradient = try builder.add(merged[place].gradient, cotangent)
      } else {
        merged.append((name, cotangent))
      }
    }
    return merged
  }
}
