import Compiler
import Diagnostics
import HDF5
import Networks
import ONNX
import Tensors

/// The weights of VGG-16 for the perceptual loss, from any of the files in which they are public.
public struct VGGWeights: Sendable {
  /// Named as in torchvision (`features.0.weight`), kernels OIHW.
  public let tensors: [String: Tensor<Float>]
  /// Equal for equal weights.
  public let fingerprint: String

  /// The value of `--vgg`: a file, or `random:SEED` for untrained weights.
  public static func read(_ text: String) throws(Diagnostic) -> VGGWeights {
    guard text.hasPrefix("random:") else { return try VGGWeights(path: text) }
    guard let seed = UInt64(text.dropFirst("random:".count)) else {
      throw Diagnostic("'\(text)' names no seed", help: "give --vgg random:1, for instance")
    }
    let model = try NetworkModel(VGG16Features())
    return VGGWeights(
      tensors: Weights.initialized(model, seed: seed).tensors, fingerprint: text)
  }

  /// What is said where the weights are needed and no file is named.
  public static let missing = Diagnostic(
    "the perceptual loss needs the weights of VGG-16, and none are given",
    help: "give --vgg with torchvision's vgg16-397923af.pth (pytorch.org/vision, models/vgg), "
      + "Keras' vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5 (keras.io/api/applications/vgg), "
      + "the ONNX model zoo's vgg16, or a safetensors file with features.0.weight and so on; --vgg random:1 for untrained ones"
  )

  private init(tensors: [String: Tensor<Float>], fingerprint: String) {
    self.tensors = tensors
    self.fingerprint = fingerprint
  }

  /// Reads safetensors and PyTorch files with torchvision's names, and HDF5 files with those of Keras, by content;
  /// files that end in `.onnx` with the names of the ONNX model zoo.
  ///
  /// Throws where the file is none of them, or lacks one of the five convolutions or has another shape.
  init(path: String) throws(Diagnostic) {
    let bytes = try FileBytes.read(path)
    let signature = try NetworkModel(VGG16Features()).signature
    var tensors: [String: Tensor<Float>] = [:]
    if HDF5File.isHDF5(bytes) {
      let file = try HDF5File(reading: path)
      for weight in signature { tensors[weight.name] = try KerasVGG.read(weight.name, file) }
    } else if TorchFile.isTorch(bytes) {
      let file = try TorchFile(bytes, path: path)
      for weight in signature { tensors[weight.name] = try file.floats(weight.name) }
    } else if ONNXModel.isONNX(path) {
      tensors = try ONNXVGG.read(signature, bytes, path: path)
    } else {
      let file = try Safetensors(bytes, path: path)
      for weight in signature { tensors[weight.name] = try file.floats(weight.name) }
    }
    for weight in signature where tensors[weight.name]?.shape != weight.shape {
      throw Diagnostic(
        "'\(weight.name)' has the shape \(tensors[weight.name]?.shape.description ?? ""), but that of "
          + "VGG-16 is \(weight.shape)", at: SourceLocation(file: path),
        help: "give the weights of VGG-16 without batch norm")
    }
    self.init(tensors: tensors, fingerprint: Digest.hexadecimal(bytes))
  }
}

/// The names in vgg16 of the ONNX model zoo (github.com/onnx/models), which came from MXNet: `vgg0_conv0_weight`.
private enum ONNXVGG {
  /// In the order of the convolutions there.
  private static let layers = [
    "features.0", "features.2", "features.5", "features.7", "features.10",
  ]

  static func read(
    _ signature: [WeightShape], _ bytes: [UInt8], path: String
  ) throws(Diagnostic) -> [String: Tensor<Float>] {
    var names: [String: String] = [:]
    for weight in signature {
      let parts = weight.name.split(separator: ".")
      let layer = parts.dropLast().joined(separator: ".")
      names["vgg0_conv\(layers.firstIndex(of: layer) ?? 0)_\(parts.last ?? "")"] = weight.name
    }
    let found = try ONNXModel.weights(named: names.keys.sorted(), in: bytes, path: path)
    return Dictionary(uniqueKeysWithValues: found.map { (names[$0.key] ?? $0.key, $0.value) })
  }
}

/// The layout of Keras' VGG-16 files: `block1_conv1/block1_conv1_W_1:0`, kernels [row, column, input, output].
///
/// Kernels are turned to OIHW; the three input channels stay blue, green, red, as preprocessing `caffe` has them.
private enum KerasVGG {
  private static let layers = [
    "features.0": "block1_conv1", "features.2": "block1_conv2", "features.5": "block2_conv1",
    "features.7": "block2_conv2", "features.10": "block3_conv1",
  ]

  static func read(_ name: String, _ file: HDF5File) throws(Diagnostic) -> Tensor<Float> {
    let parts = name.split(separator: ".")
    let layer = layers[parts.dropLast().joined(separator: ".")] ?? ""
    let isKernel = parts.last == "weight"
    let path = try dataset(layer, isKernel ? ["W_1:0", "kernel:0"] : ["b_1:0", "bias:0"], file)
    let tensor = try file.read(path).floats()
    return isKernel ? try outputFirst(tensor, "\(file.path)[\(path)]") : tensor
  }

  /// Where the array of a layer lies: Keras 1 and 2 wrote different names, some files under `model_weights`.
  private static func dataset(
    _ layer: String, _ kinds: [String], _ file: HDF5File
  ) throws(Diagnostic) -> String {
    let folders = ["\(layer)", "\(layer)/\(layer)", "model_weights/\(layer)/\(layer)"]
    for folder in folders {
      for kind in kinds {
        for name in ["\(folder)/\(layer)_\(kind)", "\(folder)/\(kind)"] where file.contains(name) {
          return name
        }
      }
    }
    throw Diagnostic(
      "there is no \(kinds[0].hasPrefix("W") ? "kernel" : "bias") of '\(layer)'",
      at: SourceLocation(file: file.path), help: "give Keras' VGG-16 weights")
  }

  private static func outputFirst(
    _ kernel: Tensor<Float>, _ place: String
  ) throws(Diagnostic) -> Tensor<Float> {
    guard kernel.shape.rank == 4 else {
      throw Diagnostic(
        "the kernel has the shape \(kernel.shape), not [row, column, input, output]",
        at: SourceLocation(file: place))
    }
    let (rows, columns) = (kernel.shape[0], kernel.shape[1])
    let (inputs, outputs) = (kernel.shape[2], kernel.shape[3])
    var turned = Tensor<Float>(try Shape([outputs, inputs, rows, columns]), repeating: 0)
    for (index, value) in kernel.values.enumerated() {
      let (output, input) = (index % outputs, index / outputs % inputs)
      turned.values[(output * inputs + input) * rows * columns + index / (outputs * inputs)] = value
    }
    return turned
  }
}
