import Diagnostics
import Tensors

extension ONNXModel {
  /// What an image is where neither the file nor the user says it (the matrix of Ghodrati 2019).
  private static let standard = (batch: 1, height: 192, width: 128)

  /// The type of a network's input; what the file leaves open of images [N, C, H, W] and volumes [N, C, D, H, W]
  /// is taken from `extents`.
  func type(
    of input: Onnx_ValueInfoProto, number: Int, _ extents: ImageExtents
  ) throws(Diagnostic) -> TensorType {
    guard case .tensorType(let tensor)? = input.type.value, tensor.hasShape else {
      throw Diagnostic(
        "the file does not say what shape the input '\(input.name)' has",
        help: "export the network with an example image")
    }
    guard tensor.elemType == Onnx_TensorProto.DataType.float.rawValue else {
      throw Diagnostic(
        "the input '\(input.name)' is not of float32", help: "export the network in float32")
    }
    let dimensions = tensor.shape.dim
    guard extents.slices == nil || dimensions.count == 5 else {
      throw Diagnostic(
        "the input '\(input.name)' is no volume [N, C, D, H, W]",
        help: "give the size of its images as HxW")
    }
    let given = extents.inputs.indices.contains(number) ? extents.inputs[number].extents : []
    var shape: [Int] = []
    for (index, dimension) in dimensions.enumerated() {
      let asked = Self.asked(index, of: dimensions.count, extents)
      let own = given.count == dimensions.count ? given[index] : nil
      shape.append(try extent(dimension, index, asked, own, of: input.name))
    }
    return TensorType(try Shape(shape), .f32)
  }

  /// What dimension a user may choose, what messages call it, and what it is unless chosen.
  private struct Choice {
    var name: String
    var value: Int?
    /// Nil where there is no usual one.
    var standard: Int?
  }

  private static func asked(
    _ dimension: Int, of rank: Int, _ extents: ImageExtents
  ) -> Choice? {
    switch dimension {
    case 0:
      return Choice(
        name: rank == 5 ? "volumes" : "images", value: extents.batch, standard: standard.batch)
    case 2 where rank == 5: return Choice(name: "slices", value: extents.slices)
    case rank - 2 where (4...5).contains(rank):
      return Choice(name: "rows", value: extents.height, standard: standard.height)
    case rank - 1 where (4...5).contains(rank):
      return Choice(name: "columns", value: extents.width, standard: standard.width)
    default: return nil
    }
  }

  private func extent(
    _ dimension: Onnx_TensorShapeProto.Dimension, _ index: Int, _ choice: Choice?, _ given: Int?,
    of input: String
  ) throws(Diagnostic) -> Int {
    guard case .dimValue(let value)? = dimension.value else {
      if let extent = choice?.value ?? given { return extent }
      if let standard = choice?.standard { return standard }
      throw Diagnostic(
        "dimension \(index) of the input '\(input)' is left open",
        help: choice == nil
          ? "export the network with only batch, slices, rows and columns dynamic"
          : "say how many \(choice?.name ?? "") there are, by a size such as 12x192x128")
    }
    guard let extent = Int(exactly: value), extent > 0 else {
      throw Diagnostic("dimension \(index) of the input '\(input)' is \(value)")
    }
    if let choice, let asked = choice.value, asked != extent {
      throw Diagnostic(
        "the network was exported for \(extent) \(choice.name), not \(asked)",
        help: "give it \(extent) \(choice.name), or export it with dynamic ones")
    }
    return extent
  }
}
