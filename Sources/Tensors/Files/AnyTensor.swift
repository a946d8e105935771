import ComplexModule
import Diagnostics
import RealModule

/// A tensor of one of the element types that array files hold.
public enum AnyTensor: Sendable, Equatable {
  case bool(Tensor<Bool>)
  case uint8(Tensor<UInt8>)
  case int16(Tensor<Int16>)
  case uint16(Tensor<UInt16>)
  case int32(Tensor<Int32>)
  case int64(Tensor<Int64>)
  case float32(Tensor<Float>)
  case float64(Tensor<Double>)
  case complex64(Tensor<Complex<Float>>)
  case complex128(Tensor<Complex<Double>>)

  public var shape: Shape {
    switch self {
    case .bool(let tensor): return tensor.shape
    case .uint8(let tensor): return tensor.shape
    case .int16(let tensor): return tensor.shape
    case .uint16(let tensor): return tensor.shape
    case .int32(let tensor): return tensor.shape
    case .int64(let tensor): return tensor.shape
    case .float32(let tensor): return tensor.shape
    case .float64(let tensor): return tensor.shape
    case .complex64(let tensor): return tensor.shape
    case .complex128(let tensor): return tensor.shape
    }
  }

  /// The same values under another shape of equal size.
  public func reshaped(_ shape: Shape) throws(Diagnostic) -> AnyTensor {
    switch self {
    case .bool(let tensor): return .bool(try tensor.reshaped(shape))
    case .uint8(let tensor): return .uint8(try tensor.reshaped(shape))
    case .int16(let tensor): return .int16(try tensor.reshaped(shape))
    case .uint16(let tensor): return .uint16(try tensor.reshaped(shape))
    case .int32(let tensor): return .int32(try tensor.reshaped(shape))
    case .int64(let tensor): return .int64(try tensor.reshaped(shape))
    case .float32(let tensor): return .float32(try tensor.reshaped(shape))
    case .float64(let tensor): return .float64(try tensor.reshaped(shape))
    case .complex64(let tensor): return .complex64(try tensor.reshaped(shape))
    case .complex128(let tensor): return .complex128(try tensor.reshaped(shape))
    }
  }

  /// The element type's name, as NumPy has it.
  public var typeName: String {
    switch self {
    case .bool: return "bool"
    case .uint8: return "uint8"
    case .int16: return "int16"
    case .uint16: return "uint16"
    case .int32: return "int32"
    case .int64: return "int64"
    case .float32: return "float32"
    case .float64: return "float64"
    case .complex64: return "complex64"
    case .complex128: return "complex128"
    }
  }

  public var isComplex: Bool {
    switch self {
    case .complex64, .complex128: return true
    default: return false
    }
  }

  /// The values as float32, rounded to nearest; throws for complex values.
  public func floats() throws(Diagnostic) -> Tensor<Float> {
    switch self {
    case .bool(let tensor): return tensor.map { $0 ? 1 : 0 }
    case .uint8(let tensor): return tensor.map { Float($0) }
    case .int16(let tensor): return tensor.map { Float($0) }
    case .uint16(let tensor): return tensor.map { Float($0) }
    case .int32(let tensor): return tensor.map { Float($0) }
    case .int64(let tensor): return tensor.map { Float($0) }
    case .float32(let tensor): return tensor
    case .float64(let tensor): return tensor.map { Float($0) }
    case .complex64, .complex128: throw notReal
    }
  }

  /// The values as float64; throws for complex values.
  public func doubles() throws(Diagnostic) -> Tensor<Double> {
    switch self {
    case .bool(let tensor): return tensor.map { $0 ? 1 : 0 }
    case .uint8(let tensor): return tensor.map { Double($0) }
    case .int16(let tensor): return tensor.map { Double($0) }
    case .uint16(let tensor): return tensor.map { Double($0) }
    case .int32(let tensor): return tensor.map { Double($0) }
    case .int64(let tensor): return tensor.map { Double($0) }
    case .float32(let tensor): return tensor.map { Double($0) }
    case .float64(let tensor): return tensor
    case .complex64, .complex128: throw notReal
    }
  }

  /// The values as complex64; throws for real values, which are no k-space.
  public func complexFloats() throws(Diagnostic) -> Tensor<Complex<Float>> {
    switch self {
    case .complex64(let tensor): return tensor
    case .complex128(let tensor):
      return tensor.map { Complex(Float($0.real), Float($0.imaginary)) }
    default:
      throw Diagnostic(
        "complex values are needed, but these are \(typeName)",
        help: "store them as complex64 or complex128")
    }
  }

  private var notReal: Diagnostic {
    Diagnostic(
      "real values are needed, but these are \(typeName)",
      help: "store magnitudes as float32, or name the array that holds them")
  }
}
