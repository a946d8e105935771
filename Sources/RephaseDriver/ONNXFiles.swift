import Diagnostics
import Networks
import ONNX
import Tensors

extension ModelOptions {
  /// Whether MODEL is an ONNX file.
  var isONNX: Bool { model.map(ONNXModel.isONNX) ?? false }

  /// An ONNX file as a model: its weights are those that the file holds, but for tensors of `replacement`; what it leaves
  /// open of inputs is as in `inputs`.
  func onnxModel(
    _ path: String, replacing replacement: (file: Safetensors, path: String)?,
    inputs: [Shape] = []
  ) throws(Diagnostic) -> ResolvedModel {
    let extents = ONNXModel.ImageExtents(
      batch: batch, slices: size?.slices, height: size?.size.height, width: size?.size.width,
      inputs: inputs)
    let imported = try ONNXModel(reading: path).imported(extents)
    var weights = imported.weights
    if let replacement {
      let signature = WeightShape.signature(of: imported.function)
        .filter { replacement.file.contains($0.name) }
      let read = try Weights.read(
        replacement.file, path: replacement.path, signature: signature)
      weights.merge(read.tensors) { _, other in other }
    }
    return ResolvedModel(
      staged: .graph(imported.function), network: nil, weights: weights, path: path)
  }
}
