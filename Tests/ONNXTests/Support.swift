import Diagnostics
import GraphIR
import Operations
import SwiftProtobuf
import Tensors
import Testing

@testable import ONNX

/// A tensor from extents and values.
func tensor(_ extents: [Int], _ values: [Double]) throws -> Tensor<Double> {
  try Tensor(try Shape(extents), values)
}

/// 1, 2, 3, ... in a shape.
func counted(_ extents: [Int]) throws -> Tensor<Double> {
  let shape = try Shape(extents)
  return try Tensor(shape, (1...shape.elementCount).map(Double.init))
}

extension Onnx_TensorProto {
  init(_ name: String, _ dims: [Int], floats: [Float]) {
    self.init()
    (self.name, self.dims, floatData) = (name, dims.map(Int64.init), floats)
    dataType = Int32(DataType.float.rawValue)
  }

  init(_ name: String, integers: [Int]) {
    self.init()
    (self.name, dims, int64Data) = (name, [Int64(integers.count)], integers.map(Int64.init))
    dataType = Int32(DataType.int64.rawValue)
  }

  /// An integer without dimensions.
  init(_ name: String, integer: Int) {
    self.init(name, integers: [integer])
    dims = []
  }
}

extension Onnx_AttributeProto {
  init(_ name: String, _ value: Int) {
    self.init()
    (self.name, type, i) = (name, .int, Int64(value))
  }

  init(_ name: String, _ values: [Int]) {
    self.init()
    (self.name, type, ints) = (name, .ints, values.map(Int64.init))
  }

  init(_ name: String, real value: Float) {
    self.init()
    (self.name, type, f) = (name, .float, value)
  }

  init(_ name: String, word: String) {
    self.init()
    (self.name, type, s) = (name, .string, .init(word.utf8))
  }

  init(_ name: String, tensor: Onnx_TensorProto) {
    self.init()
    (self.name, type, t) = (name, .tensor, tensor)
  }
}

extension Onnx_NodeProto {
  init(
    _ operatorName: String, _ inputs: [String], _ outputs: [String] = ["y"],
    _ attributes: [Onnx_AttributeProto] = []
  ) {
    self.init()
    (opType, input, output, attribute) = (operatorName, inputs, outputs, attributes)
  }
}

extension Onnx_ModelProto {
  /// A model with the input `x` (an extent of 0 is dynamic) and the output `y`.
  init(
    _ nodes: [Onnx_NodeProto], x: [Int], _ initializers: [Onnx_TensorProto] = [],
    operatorSet: Int = 18
  ) {
    self.init()
    irVersion = 8
    var set = Onnx_OperatorSetIdProto()
    set.version = Int64(operatorSet)
    opsetImport = [set]
    graph.node = nodes
    graph.initializer = initializers
    graph.input = [Self.value("x", x)]
    graph.output = [Self.value("y", x)]
  }

  static func value(_ name: String, _ extents: [Int]) -> Onnx_ValueInfoProto {
    var info = Onnx_ValueInfoProto()
    info.name = name
    info.type.tensorType.elemType = Int32(Onnx_TensorProto.DataType.float.rawValue)
    info.type.tensorType.shape.dim = extents.map { extent in
      var dimension = Onnx_TensorShapeProto.Dimension()
      dimension.value = extent == 0 ? .dimParam("d") : .dimValue(Int64(extent))
      return dimension
    }
    return info
  }

  func imported(
    _ extents: ONNXModel.ImageExtents = .init()
  ) throws -> ONNXModel.Imported {
    let bytes: [UInt8] = try serializedBytes()
    return try ONNXModel(bytes, path: "folder/net-1.onnx").imported(extents)
  }

  /// The outputs by the float64 reference.
  func outputs(_ inputs: Tensor<Double>...) throws -> [Tensor<Double>] {
    let model = try imported()
    return try Reference.evaluate(
      model.function, inputs: inputs,
      parameters: model.weights.mapValues { $0.map { Double($0) } })
  }
}

/// The result of one node, whose first input is `x` and whose others are the initializers in order.
func result(
  _ operatorName: String, _ x: Tensor<Double>, _ attributes: [Onnx_AttributeProto] = [],
  _ others: [Onnx_TensorProto] = [], operatorSet: Int = 18
) throws -> Tensor<Double> {
  let node = Onnx_NodeProto(
    operatorName, ["x"] + others.map(\.name), ["y"], attributes)
  let model = Onnx_ModelProto(
    [node], x: x.shape.extents, others.filter { !$0.name.isEmpty }, operatorSet: operatorSet)
  return try #require(try model.outputs(x).first)
}

/// Nothing where an operator leaves an input out.
let leftOut = Onnx_TensorProto()

/// The diagnostic that reading and importing ends with.
func failure(_ model: Onnx_ModelProto) -> Diagnostic? {
  do {
    _ = try model.imported()
    return nil
  } catch { return error as? Diagnostic }
}
