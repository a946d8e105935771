import Diagnostics
import GraphIR
import Tensors

/// The meaning of a graph: every operation evaluated in float64, one after the other.
///
/// Slow and obvious; what native code is compared with, never a path that users wait for.
public enum Reference {
  /// Elements of all tensors held at once: 16 GiB in float64.
  public static let maximumElements = 1 << 31

  /// The results of a function; `rounding` is what becomes of every number that an operation computes from others,
  /// and does not just take from them.
  ///
  /// Throws where inputs or parameters are missing or have other shapes than the function declares.
  public static func evaluate(
    _ function: Function, inputs: [Tensor<Double>], parameters: [String: Tensor<Double>] = [:],
    rounding: ((Double) -> Double)? = nil
  ) throws(Diagnostic) -> [Tensor<Double>] {
    guard inputs.count == function.arguments.count else {
      throw Diagnostic(
        "@\(function.name) takes \(function.arguments.count) inputs, not \(inputs.count)")
    }
    var values: [ValueID: Tensor<Double>] = [:]
    for (argument, input) in zip(function.arguments, inputs) {
      let type = function.type(of: argument)
      guard input.shape == type.shape else {
        throw Diagnostic("an input of shape \(input.shape) is given where \(type) is declared")
      }
      values[argument] = input
    }
    var lastUse = function.uses().mapValues { $0.max() ?? 0 }
    for result in function.results { lastUse[result] = .max }
    var held = inputs.reduce(0) { $0 + $1.shape.elementCount }
    for (position, node) in function.nodes.enumerated() {
      held += function.types(of: node.results).reduce(0) { $0 + $1.shape.elementCount }
      guard held <= maximumElements else {
        throw Diagnostic(
          "the float64 reference of @\(function.name) takes more than 16 GiB of memory",
          at: node.location, help: "use smaller images or a smaller batch")
      }
      let operands = node.operands.compactMap { values[$0] }
      let results = try evaluate(node, in: function, operands, parameters, rounding)
      // The operations of a region have rounded already.
      let isExact = (node.operation as? any TensorOperation)?.isExact ?? false
      let rounds = !node.operands.isEmpty && node.regions.isEmpty && !isExact
      for (value, tensor) in zip(node.results, results) {
        values[value] = rounds ? rounding.map(tensor.map) ?? tensor : tensor
      }
      for operand in node.operands where lastUse[operand] == position {
        held -= values.removeValue(forKey: operand)?.shape.elementCount ?? 0
      }
    }
    return function.results.compactMap { values[$0] }
  }

  private static func evaluate(
    _ node: Node, in function: Function, _ operands: [Tensor<Double>],
    _ parameters: [String: Tensor<Double>], _ rounding: ((Double) -> Double)?
  ) throws(Diagnostic) -> [Tensor<Double>] {
    if let body = node.regions.first {
      return try evaluate(body, inputs: operands, parameters: parameters, rounding: rounding)
    }
    if let parameter = node.operation as? ParameterOperation {
      return [try look(up: parameter, in: parameters)]
    }
    guard let operation = node.operation as? any TensorOperation else {
      throw Diagnostic("\(node.operation.mnemonic) has no reference semantics", at: node.location)
    }
    return operation.evaluate(operands, results: function.types(of: node.results))
  }

  private static func look(
    up parameter: ParameterOperation, in parameters: [String: Tensor<Double>]
  ) throws(Diagnostic) -> Tensor<Double> {
    guard let tensor = parameters[parameter.name] else {
      throw Diagnostic(
        "the weights have no '\(parameter.name)'", help: "give the weight file of this model")
    }
    guard tensor.shape == parameter.type.shape else {
      throw Diagnostic(
        "weight '\(parameter.name)' has the shape \(tensor.shape), but the model takes \(parameter.type.shape)",
        help: "check the model's settings")
    }
    return tensor
  }
}
