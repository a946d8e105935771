/// The numeric class that a schedule must keep to.
///
/// The largest error is the max-norm of the difference from the float64 reference, over the reference's max-norm.
public enum Precision: String, CaseIterable, Sendable {
  /// Direct summation only, in an order that keeps rounding small.
  case strict
  /// Faster algorithms with a larger error bound are allowed.
  case standard

  /// The largest error, in units of 2^-23.
  public var promise: Double { self == .strict ? 16 : 64 }
}
