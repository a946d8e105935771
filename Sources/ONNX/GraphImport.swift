import Diagnostics
import GraphIR
import Operations
import Tensors

/// What a name in an ONNX file stands for.
enum ImportedValue {
  /// What the network computes of its inputs.
  case value(ValueID)
  /// Images [N, C, H, W] seen as [N, groups, C H W / groups]: what group normalization is applied to, without a copy. Where
  /// they are slices, of so many volumes.
  case grouped(ValueID, volumes: Int?, extents: [Int])
  /// Volumes [N, C, D, H, W] as their slices [N D, C, H, W]: what is convolved.
  case slices(ValueID, batch: Int)
  /// A tensor of the file, which becomes a parameter of its name where it is computed with.
  case weight(name: String, Tensor<Float>)
  /// Numbers that are known when the file is read.
  case floats(Tensor<Float>)
  case integers(KnownIntegers)
  /// A tensor without elements, or an input that is left out.
  case nothing
}

/// The graph that is being made of an ONNX file, and the parameters that it has so far.
final class GraphImport {
  var builder: GraphBuilder
  private(set) var weights: [String: Tensor<Float>] = [:]
  private var parameters: [String: ValueID] = [:]

  init(_ builder: GraphBuilder) { self.builder = builder }

  /// The value as one of the graph; `name` is that of a parameter which holds numbers that are no weight of the file.
  func value(_ imported: ImportedValue, name: String) throws(Diagnostic) -> ValueID {
    switch imported {
    case .value(let value): return value
    case .weight(let name, let tensor): return try parameter(name, tensor)
    case .floats(let tensor):
      guard let first = tensor.values.first, tensor.values.allSatisfy({ $0 == first }) else {
        return try parameter(name, tensor)
      }
      return try builder.apply(Constant(Double(first), TensorType(tensor.shape, .f32)))
    case .grouped(let images, let volumes, let extents):
      let whole = try volumes.map { (batch) throws(Diagnostic) in
        try Images.volume(images, batch: batch, &builder)
      }
      return try builder.apply(Reshape(try Shape(extents)), whole ?? images)
    case .slices(let slices, let batch):
      return try Images.volume(slices, batch: batch, &builder)
    case .integers:
      throw Diagnostic(
        "'\(name)' holds integers, and images are computed in float32",
        help: "convert it to float32 in the network (Cast)")
    case .nothing: throw Diagnostic("the input '\(name)' is left out or has no elements")
    }
  }

  private func parameter(
    _ name: String, _ tensor: Tensor<Float>
  ) throws(Diagnostic) -> ValueID {
    if let known = parameters[name] { return known }
    let value = try builder.apply(
      ParameterOperation(name, TensorType(tensor.shape, .f32)), name: valueName(name))
    parameters[name] = value
    weights[name] = tensor
    return value
  }

  /// A tensor's name as dumps show it: exporters begin those of values with a slash.
  func valueName(_ name: String) -> String { String(name.drop { $0 == "/" }) }
}
