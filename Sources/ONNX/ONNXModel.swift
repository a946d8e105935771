import Diagnostics
import Foundation
import GraphIR
import SwiftProtobuf
import Tensors

/// A network in an ONNX file (https://onnx.ai), such as PyTorch exports, as a model with its weights.
///
/// Format: onnx.proto3 of the ONNX standard, of which onnx.proto here has what is read.
public struct ONNXModel: Sendable {
  let path: String
  let graph: Onnx_GraphProto
  /// The version of the standard operators.
  let operatorSet: Int
  /// Float and integer tensors of the file, by name.
  let initializers: [String: StoredTensor]

  /// A graph for one size of image, and the values of all parameters that it names.
  public struct Imported: Sendable {
    public let function: Function
    public let weights: [String: Tensor<Float>]
  }

  /// What a batch of images is where the file leaves it open.
  public struct ImageExtents: Sendable {
    public var batch: Int?
    /// Of volumes.
    public var slices: Int?
    public var height: Int?
    public var width: Int?
    /// The shapes of images that are there, of each input, for what is not chosen.
    public var inputs: [Shape]

    public init(
      batch: Int? = nil, slices: Int? = nil, height: Int? = nil, width: Int? = nil,
      inputs: [Shape] = []
    ) {
      (self.batch, self.slices, self.height, self.width) = (batch, slices, height, width)
      self.inputs = inputs
    }
  }

  static let operatorSets = 9...23

  /// 2 GiB, protobuf's own bound; larger models keep their weights beside the file.
  static let maximumBytes = Int(Int32.max)

  /// Whether a path is told to be an ONNX file: they have no mark but their name's end.
  public static func isONNX(_ path: String) -> Bool { path.lowercased().hasSuffix(".onnx") }

  /// Throws where the file is damaged, of another version, or holds tensors that lie outside of its folder.
  public init(reading path: String) throws(Diagnostic) {
    try self.init(FileBytes.read(path, limit: Self.maximumBytes), path: path)
  }

  /// Same, for a file that is in memory already; `path` says where further data lies.
  init(_ bytes: [UInt8], path: String) throws(Diagnostic) {
    let model = try Self.decoded(bytes, path: path)
    self.path = path
    do throws(Diagnostic) {
      operatorSet = try Self.operatorSet(of: model)
      graph = model.graph
      initializers = try Self.initializers(model.graph.initializer, path: path)
    } catch { throw error.located(at: SourceLocation(file: path)) }
  }

  /// Some tensors of a file whose network is of no interest, nor its version.
  ///
  /// Throws where one of them is missing or of integers.
  public static func weights(
    named names: [String], in bytes: [UInt8], path: String
  ) throws(Diagnostic) -> [String: Tensor<Float>] {
    let place = SourceLocation(file: path)
    let listed = try decoded(bytes, path: path).graph.initializer.filter { names.contains($0.name) }
    var weights: [String: Tensor<Float>] = [:]
    do throws(Diagnostic) {
      let tensors = try initializers(listed, path: path)
      for name in names {
        guard case .floats(let tensor)? = tensors[name] else {
          throw Diagnostic("there is no tensor '\(name)'")
        }
        weights[name] = tensor
      }
    } catch { throw error.located(at: place) }
    return weights
  }

  private static func decoded(
    _ bytes: [UInt8], path: String
  ) throws(Diagnostic) -> Onnx_ModelProto {
    var options = BinaryDecodingOptions()
    options.discardUnknownFields = true
    do { return try Onnx_ModelProto(serializedBytes: bytes, options: options) } catch {
      throw Diagnostic(
        "this is no ONNX file, or it is damaged", at: SourceLocation(file: path),
        help: "export the network again")
    }
  }

  private static func operatorSet(of model: Onnx_ModelProto) throws(Diagnostic) -> Int {
    guard model.hasGraph, !model.graph.node.isEmpty else {
      throw Diagnostic("the ONNX file holds no network", help: "export the network again")
    }
    guard model.graph.node.count <= Function.maximumNodes else {
      throw Diagnostic("the network has more than \(Function.maximumNodes) nodes")
    }
    guard let set = model.opsetImport.first(where: { isStandard(domain: $0.domain) }) else {
      throw Diagnostic(
        "the ONNX file names no version of the standard operators",
        help: "export the network again, with an opset_version")
    }
    guard let version = Int(exactly: set.version), operatorSets.contains(version) else {
      throw Diagnostic(
        "the network uses version \(set.version) of the ONNX operators, and versions "
          + "\(operatorSets.lowerBound) to \(operatorSets.upperBound) can be read",
        help: "export the network with opset_version=18")
    }
    return version
  }

  static func isStandard(domain: String) -> Bool { domain.isEmpty || domain == "ai.onnx" }

  private static func initializers(
    _ listed: [Onnx_TensorProto], path: String
  ) throws(Diagnostic) -> [String: StoredTensor] {
    var tensors: [String: StoredTensor] = [:]
    for tensor in listed {
      guard tensors[tensor.name] == nil else {
        throw Diagnostic(
          "two tensors have the name '\(tensor.name)'", help: "export the network again")
      }
      do throws(Diagnostic) { tensors[tensor.name] = try StoredTensor(tensor, path: path) } catch {
        var error = error
        error.message = "the tensor '\(tensor.name)': \(error.message)"
        throw error
      }
    }
    return tensors
  }
}
