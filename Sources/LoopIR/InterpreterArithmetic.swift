import Diagnostics
import Tensors

/// Floating-point arithmetic as the machine does it: values are held as Double, and every operation rounds to the
/// element type once.
///
/// f16 and bf16 are computed in Float, which has more than twice their digits plus two, so the second rounding
/// changes nothing for + - * / and sqrt.
extension ElementType {
  /// The nearest value of the type, ties to even.
  func rounded(_ value: Double) -> Double {
    switch self {
    case .f64, .i32, .complex64: return value
    case .f32: return Double(Float(value))
    case .f16: return Double(Float16(value))
    case .bf16: return Double(Self.roundedToBrain(Float(value)))
    }
  }

  func rounded(_ value: Int) -> Double {
    self == .f64 ? Double(value) : rounded(Double(Float(value)))
  }

  /// The upper 16 bits of a Float, rounded to nearest even.
  private static func roundedToBrain(_ value: Float) -> Float {
    if !value.isFinite { return value }
    let bits = value.bitPattern
    let rounded = bits &+ 0x7FFF &+ ((bits >> 16) & 1)
    return Float(bitPattern: rounded & 0xFFFF_0000)
  }

  func operation(_ op: UnaryOperator) -> ((Double) -> Double)? {
    switch op {
    case .negate: return { -$0 }
    case .abs: return { Swift.abs($0) }
    case .sqrt:
      return self == .f64 ? { $0.squareRoot() } : { rounded(Double(Float($0).squareRoot())) }
    case .exp, .log, .tanh, .erf, .sin, .cos, .atan, .floor, .round: return elementary(op)
    case .tf32: return { Double(Self.roundedToTF32(Float($0))) }
    case .tf32TowardsZero: return { Double(Self.cutToTF32(Float($0))) }
    case .not: return nil
    }
  }

  /// The upper 19 bits, rounded to nearest, ties away from zero; NaN and infinity stay.
  private static func roundedToTF32(_ value: Float) -> Float {
    if !value.isFinite { return value }
    return Float(bitPattern: (value.bitPattern + 0x1000) & ~0x1FFF)
  }

  private static func cutToTF32(_ value: Float) -> Float {
    value.isNaN ? value : Float(bitPattern: value.bitPattern & ~0x1FFF)
  }

  /// nil for operators that do not yield elements.
  func operation(_ op: BinaryOperator) -> ((Double, Double) -> Double)? {
    switch op {
    case .minimum: return { Self.extremum($0, $1, isMinimum: true) }
    case .maximum: return { Self.extremum($0, $1, isMinimum: false) }
    case .add, .subtract, .multiply, .divide: break
    case .remainder, .less, .lessOrEqual, .equal, .and, .or: return nil
    }
    switch self {
    case .f64, .i32, .complex64:
      switch op {
      case .add: return { $0 + $1 }
      case .subtract: return { $0 - $1 }
      case .multiply: return { $0 * $1 }
      default: return { $0 / $1 }
      }
    case .f32, .f16, .bf16:
      switch op {
      case .add: return { rounded(Double(Float($0) + Float($1))) }
      case .subtract: return { rounded(Double(Float($0) - Float($1))) }
      case .multiply: return { rounded(Double(Float($0) * Float($1))) }
      default: return { rounded(Double(Float($0) / Float($1))) }
      }
    }
  }

  /// a · b + c with one rounding; f16 and bf16 round through the wider type.
  func fusedMultiplyAdd(_ a: Double, _ b: Double, _ c: Double) -> Double {
    switch self {
    case .f64, .i32, .complex64: return c.addingProduct(a, b)
    case .f32: return Double(Float(c).addingProduct(Float(a), Float(b)))
    case .f16, .bf16: return rounded(c.addingProduct(a, b))
    }
  }

  /// IEEE 754-2019 minimum and maximum: NaN wins, and -0 is below 0.
  private static func extremum(_ a: Double, _ b: Double, isMinimum: Bool) -> Double {
    if a.isNaN { return a }
    if b.isNaN { return b }
    if a == b { return (a.sign == .minus) == isMinimum ? a : b }
    return (a < b) == isMinimum ? a : b
  }
}

extension BinaryOperator {
  /// nil for operators that do not compare.
  func comparison<Value: Comparable>() -> ((Value, Value) -> Bool)? {
    switch self {
    case .less: return { $0 < $1 }
    case .lessOrEqual: return { $0 <= $1 }
    case .equal: return { $0 == $1 }
    default: return nil
    }
  }
}

/// 64-bit integer arithmetic that fails instead of wrapping around.
enum IndexArithmetic {
  typealias Operation = (Machine, Int, Int) throws(Diagnostic) -> Int

  /// nil for operators that do not yield indices.
  static func operation(_ op: BinaryOperator) -> Operation? {
    switch op {
    case .add: return checked { $0.addingReportingOverflow($1) }
    case .subtract: return checked { $0.subtractingReportingOverflow($1) }
    case .multiply: return checked { $0.multipliedReportingOverflow(by: $1) }
    case .divide: return { machine, a, b throws(Diagnostic) in try divide(machine, a, b).quotient }
    case .remainder:
      return { machine, a, b throws(Diagnostic) in try divide(machine, a, b).remainder }
    case .minimum: return { Swift.min($1, $2) }
    case .maximum: return { Swift.max($1, $2) }
    case .less, .lessOrEqual, .equal, .and, .or: return nil
    }
  }

  private static func checked(
    _ operation: @escaping (Int, Int) -> (partialValue: Int, overflow: Bool)
  ) -> Operation {
    { machine, a, b throws(Diagnostic) in
      let (value, overflow) = operation(a, b)
      if overflow { throw machine.failure("an index does not fit 64 bits") }
      return value
    }
  }

  /// Rounding towards minus infinity.
  private static func divide(
    _ machine: Machine, _ a: Int, _ b: Int
  ) throws(Diagnostic) -> (quotient: Int, remainder: Int) {
    guard b != 0 else { throw machine.failure("an index is divided by zero") }
    guard b != -1 || a != Int.min else { throw machine.failure("an index does not fit 64 bits") }
    let (quotient, remainder) = a.quotientAndRemainder(dividingBy: b)
    if remainder != 0, (remainder < 0) != (b < 0) { return (quotient - 1, remainder + b) }
    return (quotient, remainder)
  }
}
