/// The numeric class that a schedule must keep to, from the smallest error to the largest.
///
/// The largest error is the max-norm of the difference from the float64 reference, over the reference's max-norm.
public enum Precision: String, CaseIterable, Sendable {
  /// Direct summation only, in an order that keeps rounding small.
  case strict
  /// Faster algorithms with a larger error bound are allowed.
  case standard
  /// Factors of convolutions' products are rounded to tf32 (11 significant bits); on GPUs only.
  case tf32
  /// The same to bf16 (8 significant bits).
  case bf16

  /// The largest error, in units of 2^-23.
  public var promise: Double {
    switch self {
    case .strict: return 16
    case .standard: return 64
    case .tf32: return 0x1p16
    case .bf16: return 0x1.8p18
    }
  }

  /// The same of gradients.
  public var gradientPromise: Double { max(promise, 256) }

  /// Those whose arithmetic CPUs have.
  public static let ofCPUs: [Precision] = [.strict, .standard]
}
