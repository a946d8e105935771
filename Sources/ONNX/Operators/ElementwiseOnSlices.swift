import Diagnostics
import GraphIR
import Operations
import Tensors

/// Operators that compute each element by itself, applied to the slices of volumes: between convolutions nothing is moved.
enum ElementwiseOnSlices {
  /// What is not listed is right too, but moves its volumes.
  private static let names: Set<String> = [
    "Abs", "Add", "And", "Atan", "Cast", "Ceil", "Celu", "Clip", "Cos", "Div", "Dropout", "Elu",
    "Equal", "Erf", "Exp", "Floor", "Gelu", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish",
    "Identity", "IsNaN", "LeakyRelu", "Less", "LessOrEqual", "Log", "Max", "Mean", "Min", "Mish",
    "Mul", "Neg", "Not", "Or", "PRelu", "Pow", "Reciprocal", "Relu", "Round", "Selu", "Shrink",
    "Sigmoid", "Sign", "Sin", "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Tanh",
    "ThresholdedRelu", "Where",
  ]

  /// The node's results; nil where it is no such operator, takes no volume, or one that does not fit the others.
  static func apply(
    _ call: NodeCall, _ operation: Operator
  ) throws(Diagnostic) -> [ImportedValue]? {
    var given: (slices: ValueID, batch: Int)?
    for case .slices(let slices, let batch) in call.inputs { given = given ?? (slices, batch) }
    guard names.contains(call.node.opType), let (slices, batch) = given else { return nil }
    let shape = call.shape(of: slices)
    var inputs: [ImportedValue] = []
    for index in call.inputs.indices {
      guard let input = try input(index, call, batch: batch, depth: shape[0] / batch) else {
        return nil
      }
      inputs.append(input)
    }
    let images = NodeCall(
      node: call.node, inputs: inputs, operatorSet: call.operatorSet, graph: call.graph)
    return try operation(images).map {
      if case .value(let value) = $0 { .slices(value, batch: batch) } else { $0 }
    }
  }

  /// An input as it meets slices: volumes as theirs, what is the same in all of them without that dimension.
  private static func input(
    _ index: Int, _ call: NodeCall, batch: Int, depth: Int
  ) throws(Diagnostic) -> ImportedValue? {
    if case .nothing = call.input(index) { return .nothing }
    var extents = try call.extents(of: index)
    guard extents.count > 2 else { return call.input(index) }
    if extents.count == 5, extents[0] == batch, extents[2] == depth {
      return .value(try Images(call, index).pixels)
    }
    let dimension = extents.count - 3
    guard extents.count <= 5, extents[dimension] == 1, extents.count < 5 || extents[0] == 1 else {
      return nil
    }
    extents.remove(at: dimension)
    return .value(try call.apply(Reshape(try Shape(extents)), try call.value(index)))
  }
}
