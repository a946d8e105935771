/// The type of one element; the raw value is its name in every text form.
public enum ElementType: String, Hashable, Sendable, CaseIterable {
  case f16, bf16, f32, f64, i32, complex64

  /// Bytes of one element in memory and in files.
  public var byteCount: Int {
    switch self {
    case .f16, .bf16: return 2
    case .f32, .i32: return 4
    case .f64, .complex64: return 8
    }
  }

  public var isFloat: Bool {
    switch self {
    case .f16, .bf16, .f32, .f64: return true
    case .i32, .complex64: return false
    }
  }
}
