import CHDF5
import Tensors

/// What the elements of a dataset are, as far as Rephase reads them.
public enum HDF5Kind: String, Sendable, Hashable {
  case int8, uint8, int16, uint16, int32, int64, float32, float64, complex64, complex128
  /// Text of fixed or variable length.
  case string
  /// Records, references and whatever else there is.
  case other
}

extension HDF5Kind {
  /// Tells the kind of a type in a file; complex numbers are records of `r`, `i` (h5py) or `real`, `imag` (MATLAB).
  init(fileType type: hid_t) {
    switch H5Tget_class(type) {
    case H5T_FLOAT: self = H5Tget_size(type) <= 4 ? .float32 : .float64
    case H5T_INTEGER: self = Self.integer(type)
    case H5T_STRING: self = .string
    case H5T_COMPOUND: self = Self.complex(type)
    case H5T_ENUM: self = H5Tget_size(type) == 1 ? .uint8 : .other
    default: self = .other
    }
  }

  private static func integer(_ type: hid_t) -> HDF5Kind {
    let isSigned = H5Tget_sign(type) != H5T_SGN_NONE
    switch H5Tget_size(type) {
    case 1: return isSigned ? .int8 : .uint8
    case 2: return isSigned ? .int16 : .uint16
    case 4: return isSigned ? .int32 : .int64
    case 8: return .int64
    default: return .other
    }
  }

  private static func complex(_ type: hid_t) -> HDF5Kind {
    guard complexNames(type) != nil, let part = HDF5Handle(H5Tget_member_type(type, 0), H5Tclose)
    else { return .other }
    switch HDF5Kind(fileType: part.id) {
    case .float32: return .complex64
    case .float64: return .complex128
    default: return .other
    }
  }

  /// The names of the real and imaginary part; nil where a record is no complex number.
  static func complexNames(_ type: hid_t) -> [String]? {
    guard H5Tget_nmembers(type) == 2 else { return nil }
    let names = (0..<2).map { memberName(type, $0) }
    return [["r", "i"], ["real", "imag"]].contains(names) ? names : nil
  }

  private static func memberName(_ type: hid_t, _ index: UInt32) -> String {
    guard let text = H5Tget_member_name(type, index) else { return "" }
    defer { H5free_memory(text) }
    return String(cString: text)
  }

  /// The type in memory that values of a plain kind are read to; negative for other kinds.
  var memoryType: hid_t {
    switch self {
    case .int8, .int16: return rephase_h5_i16()
    case .uint8: return rephase_h5_u8()
    case .uint16: return rephase_h5_u16()
    case .int32: return rephase_h5_i32()
    case .int64: return rephase_h5_i64()
    case .float32: return rephase_h5_f32()
    case .float64: return rephase_h5_f64()
    case .complex64, .complex128, .string, .other: return -1
    }
  }

  /// A record of two parts under the names that the file has; nil where the library makes none.
  static func complexMemoryType(part: hid_t, names: [String]) -> HDF5Handle? {
    let size = H5Tget_size(part)
    guard let record = HDF5Handle(H5Tcreate(H5T_COMPOUND, 2 * size), H5Tclose) else { return nil }
    for (index, name) in names.enumerated() {
      guard H5Tinsert(record.id, name, index * size, part) >= 0 else { return nil }
    }
    return record
  }
}
