import Tensors

/// What an expression yields: an index (64-bit signed), a truth value, or an element.
public enum ValueKind: Hashable, Sendable {
  case index
  case boolean
  case element(ElementType)
}

/// A value computed from loop variables and buffers; it has no effect.
///
/// Index arithmetic is on 64-bit integers; `divide` and `remainder` round towards minus infinity there.
public indirect enum Expression: Hashable, Sendable {
  /// An index constant.
  case integer(Int)
  /// A floating-point constant of the given type.
  case real(Double, ElementType)
  /// A loop variable (an index) or a `let` (of its expression's kind).
  case variable(String)
  /// One element of a buffer, by logical indices.
  case load(String, [Expression])
  case unary(UnaryOperator, Expression)
  case binary(BinaryOperator, Expression, Expression)
  /// a·b + c: one rounding on targets with FMA, two elsewhere.
  case fma(Expression, Expression, Expression)
  /// The second where the first (boolean) holds, else the third; both are evaluated, so both must be in bounds.
  case select(Expression, Expression, Expression)
  /// Conversion between floating types, or from an index.
  case cast(ElementType, Expression)

  public static func + (a: Expression, b: Expression) -> Expression { .binary(.add, a, b) }
  public static func - (a: Expression, b: Expression) -> Expression { .binary(.subtract, a, b) }
  public static func * (a: Expression, b: Expression) -> Expression { .binary(.multiply, a, b) }
}

/// Raw values are the text form: `sqrt(x)`.
public enum UnaryOperator: String, Hashable, Sendable, CaseIterable {
  case negate, abs, sqrt, exp, log, tanh, erf, sin, cos, atan
  /// To integers: down, and to the nearest, of two the even one.
  case floor, round
  /// An f32 rounded to the 11 significant bits of tf32, ties away from zero.
  case tf32
  /// An f32 cut off after those bits, towards zero.
  case tf32TowardsZero = "tf32_rz"
  /// Boolean.
  case not

  /// What an elementary function of a type is computed in: f32 for narrower ones, f64 for sine and cosine, which f64
  /// has not.
  public func elementaryType(of element: ElementType) -> ElementType {
    element == .f64 || self == .sin || self == .cos ? .f64 : .f32
  }
}

/// Raw values are the text form: infix symbols, or calls for the named ones.
public enum BinaryOperator: String, Hashable, Sendable, CaseIterable {
  case add = "+"
  case subtract = "-"
  case multiply = "*"
  case divide = "/"
  /// Index only.
  case remainder = "mod"
  /// For elements NaN wins on either side.
  case minimum = "min"
  case maximum = "max"
  case less = "<"
  case lessOrEqual = "<="
  case equal = "=="
  case and = "&&"
  case or = "||"

  /// Whether the result is boolean.
  public var isComparison: Bool {
    switch self {
    case .less, .lessOrEqual, .equal: return true
    default: return false
    }
  }
}
