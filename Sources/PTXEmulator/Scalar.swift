/// A value of a register, as one instruction sees its bits.
protocol Scalar {
  init(bits: UInt64)
  /// In the low bits; what is above them means nothing.
  var bits: UInt64 { get }
}

extension Scalar where Self: FixedWidthInteger {
  @inline(__always) init(bits: UInt64) { self.init(truncatingIfNeeded: bits) }
  @inline(__always) var bits: UInt64 { UInt64(truncatingIfNeeded: self) }
}

extension Int8: Scalar {}
extension UInt8: Scalar {}
extension Int16: Scalar {}
extension UInt16: Scalar {}
extension Int32: Scalar {}
extension UInt32: Scalar {}
extension Int64: Scalar {}
extension UInt64: Scalar {}

extension Float: Scalar {
  @inline(__always) init(bits: UInt64) {
    self.init(bitPattern: UInt32(truncatingIfNeeded: bits))
  }
  @inline(__always) var bits: UInt64 { UInt64(bitPattern) }
}

extension Double: Scalar {
  @inline(__always) init(bits: UInt64) { self.init(bitPattern: bits) }
  @inline(__always) var bits: UInt64 { bitPattern }
}

extension Bool: Scalar {
  @inline(__always) init(bits: UInt64) { self = bits & 1 != 0 }
  @inline(__always) var bits: UInt64 { self ? 1 : 0 }
}

/// The types of PTX instructions.
enum PTXType: String {
  case pred, b8, u8, s8, b16, u16, s16, b32, u32, s32, f32, b64, u64, s64, f64

  var byteCount: Int {
    switch self {
    case .pred, .b8, .u8, .s8: return 1
    case .b16, .u16, .s16: return 2
    case .b32, .u32, .s32, .f32: return 4
    case .b64, .u64, .s64, .f64: return 8
    }
  }

  var isSigned: Bool { rawValue.hasPrefix("s") }
  var isFloat: Bool { self == .f32 || self == .f64 }
}
