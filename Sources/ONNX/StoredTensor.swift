import Diagnostics
import Foundation
import Tensors

/// A tensor that is known when the file is read; integers are shapes, axes and the like.
enum StoredTensor: Sendable {
  case floats(Tensor<Float>)
  case integers(KnownIntegers)
  /// No element at all, which stands for an input that is left out.
  case nothing

  /// Throws where the data is not as long as the shape says, or of a type that networks here do not use.
  init(_ tensor: Onnx_TensorProto, path: String) throws(Diagnostic) {
    var extents: [Int] = []
    for extent in tensor.dims {
      guard let extent = Int(exactly: extent), extent >= 0 else {
        throw Diagnostic("its extent \(extent) is negative")
      }
      extents.append(extent)
    }
    if extents.contains(0) {
      self = .nothing
      return
    }
    let shape = try Shape(extents)
    let data = try TensorData(tensor, count: shape.elementCount, path: path)
    if let integers = try data.integers() {
      self = .integers(try KnownIntegers(extents, integers))
    } else {
      self = .floats(try Tensor(shape, data.floats()))
    }
  }
}

/// The elements of a tensor, wherever the file keeps them.
private struct TensorData {
  private let tensor: Onnx_TensorProto
  private let count: Int
  /// Little-endian; nil where the elements are in fields of their own.
  private let raw: [UInt8]?

  init(_ tensor: Onnx_TensorProto, count: Int, path: String) throws(Diagnostic) {
    (self.tensor, self.count) = (tensor, count)
    if tensor.dataLocation == .external {
      raw = try ExternalData(tensor.externalData).read(beside: path)
    } else {
      raw = tensor.rawData.isEmpty ? nil : Array(tensor.rawData)
    }
  }

  private var type: Onnx_TensorProto.DataType? { .init(rawValue: Int(tensor.dataType)) }

  /// Nil where the elements are no integers.
  func integers() throws(Diagnostic) -> [Int]? {
    switch type {
    case .int64: return try elements(Int64.self, tensor.int64Data).map { Int($0) }
    case .int32: return try elements(Int32.self, tensor.int32Data).map { Int($0) }
    case .bool:
      return try elements(UInt8.self, tensor.int32Data.map { $0 == 0 ? 0 : 1 }).map { Int($0) }
    default: return nil
    }
  }

  func floats() throws(Diagnostic) -> [Float] {
    switch type {
    case .float: return try elements(Float.self, tensor.floatData)
    case .double: return try elements(Double.self, tensor.doubleData).map { Float($0) }
    case .float16: return try halves().map { Float(Float16(bitPattern: $0)) }
    case .bfloat16: return try halves().map { Float(bitPattern: UInt32($0) << 16) }
    default:
      let name = type.map { "\($0)" } ?? "\(tensor.dataType)"
      throw Diagnostic(
        "elements of the type \(name) cannot be used here", help: "export the network in float32")
    }
  }

  /// Half-precision numbers are kept as bits, in their own field in integers of 32.
  private func halves() throws(Diagnostic) -> [UInt16] {
    try elements(
      UInt16.self, tensor.int32Data.map { UInt16(truncatingIfNeeded: $0) })
  }

  private func elements<Value: BitwiseCopyable>(
    _ type: Value.Type, _ listed: @autoclosure () throws(Diagnostic) -> [Value]
  ) throws(Diagnostic) -> [Value] {
    guard let raw else {
      let values = try listed()
      guard values.count == count else {
        throw Diagnostic("it has \(values.count) elements where its shape says \(count)")
      }
      return values
    }
    // The count is that of a shape, at most 2^36.
    let wanted = count * MemoryLayout<Value>.size
    guard raw.count == wanted else {
      throw Diagnostic("it has \(raw.count) bytes where its shape and type say \(wanted)")
    }
    return RawValues.decode(raw[...], as: type)
  }
}
