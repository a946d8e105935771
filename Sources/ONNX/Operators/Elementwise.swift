import Diagnostics
import Glibc
import GraphIR
import Operations
import Tensors

/// Functions of one element.
enum Elementwise {
  static func relu(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    [.value(try call.apply(ReLU(), try call.value(0)))]
  }

  static func squareRoot(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    [.value(try call.apply(Sqrt(), try call.value(0)))]
  }

  static func sign(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    [.value(try call.apply(Sign(), try call.value(0)))]
  }

  static func exponential(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    [.value(try call.apply(Exponential(), try call.value(0)))]
  }

  static func logarithm(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    [.value(try call.apply(Log(), try call.value(0)))]
  }

  static func errorFunction(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    [.value(try call.apply(Erf(), try call.value(0)))]
  }

  static func sine(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    [.value(try call.apply(Sine(), try call.value(0)))]
  }

  static func cosine(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    [.value(try call.apply(Cosine(), try call.value(0)))]
  }

  static func arcTangent(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    [.value(try call.apply(Atan(), try call.value(0)))]
  }

  static func abs(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    [.value(try call.apply(Abs(), try call.value(0)))]
  }

  static func reciprocal(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let x = try call.value(0)
    return [.value(try call.apply(Divide(), try call.constant(1, call.shape(of: x)), x))]
  }

  /// x where x >= 0, else alpha x.
  static func leakyReLU(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let (x, alpha) = (try call.value(0), try call.real("alpha", Double(Float(0.01))))
    if alpha == 0 { return [.value(try call.apply(ReLU(), x))] }
    let scaled = try call.graph.builder.multiply(x, alpha)
    // The larger of both is the one that is meant, for slopes of at most 1.
    if (0...1).contains(alpha) { return [.value(try call.apply(Maximum(), x, scaled))] }
    return [.value(try selected(negative: scaled, of: x, call))]
  }

  /// x where x >= 0, else slope x; the slope is repeated over the image.
  static func parametricReLU(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let x = try call.value(0)
    let slope = try Arithmetic.stretched(try call.value(1), to: call.shape(of: x), call)
    return [.value(try selected(negative: try call.apply(Multiply(), slope, x), of: x, call))]
  }

  private static func selected(
    negative: ValueID, of x: ValueID, _ call: NodeCall
  ) throws(Diagnostic) -> ValueID {
    let isNegative = try call.apply(Compare(.LT), x, try call.constant(0, call.shape(of: x)))
    return try call.apply(Select(), isNegative, negative, x)
  }

  /// The limits are attributes in version 6, inputs since 11.
  static func clip(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    var x = try call.value(0)
    let isOld = call.operatorSet < 11
    let low = try isOld ? call.real("min") : call.floats(1)?.first
    let high = try isOld ? call.real("max") : call.floats(2)?.first
    if low == 0 {
      x = try call.apply(ReLU(), x)
    } else if let low {
      x = try call.apply(Maximum(), x, try call.constant(low, call.shape(of: x)))
    }
    if let high {
      x = try Arithmetic.smaller(x, try call.constant(high, call.shape(of: x)), call)
    }
    return [.value(x)]
  }

  /// Powers of one exponent: products and roots where they are, else e^(y log x), which is NaN of negative numbers.
  static func power(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    if let base = try? call.floats(0), case .value = call.input(1) {
      return [.value(try power(of: base, call))]
    }
    let exponent = try call.floats(1) ?? []
    guard let first = exponent.first, exponent.allSatisfy({ $0 == first }) else {
      throw Diagnostic(
        "the exponent must be one number that is known before the network runs",
        help: "make it a constant of the network")
    }
    var x = try call.value(0)
    let shape = try Arithmetic.common(call.shape(of: x), try Shape(try call.extents(of: 1)))
    x = try Arithmetic.stretched(x, to: shape, call)
    let one = try call.constant(1, call.shape(of: x))
    let size = Swift.abs(first)
    switch first {
    case 0.5: return [.value(try call.apply(Sqrt(), x))]
    case -0.5: return [.value(try call.apply(Rsqrt(), x))]
    case 0: return [.value(one)]
    case _ where size == size.rounded() && size <= largestProduct:
      let product = try self.product(of: x, Int(size), call)
      return [.value(first > 0 ? product : try call.apply(Divide(), one, product))]
    default:
      let exponent = try call.graph.builder.multiply(try call.apply(Log(), x), first)
      return [.value(try call.apply(Exponential(), exponent))]
    }
  }

  /// b^x for a number b above 0, as e^(x log b).
  private static func power(of base: [Double], _ call: NodeCall) throws(Diagnostic) -> ValueID {
    guard let first = base.first, first > 0, base.allSatisfy({ $0 == first }) else {
      throw Diagnostic(
        "the base of computed exponents must be one number above 0", help: "use Mul, or Exp of Mul")
    }
    let x = try call.value(1)
    let shape = try Arithmetic.common(call.shape(of: x), try Shape(try call.extents(of: 0)))
    let exponent = try call.graph.builder.multiply(
      try Arithmetic.stretched(x, to: shape, call), log(first))
    return try call.apply(Exponential(), exponent)
  }

  /// Integer exponents up to here are products; negative numbers have such powers.
  private static let largestProduct = 1024.0

  /// x^count by squares of squares.
  private static func product(
    of x: ValueID, _ count: Int, _ call: NodeCall
  ) throws(Diagnostic) -> ValueID {
    guard count > 1 else { return x }
    let half = try product(of: x, count / 2, call)
    let square = try call.apply(Multiply(), half, half)
    return count.isMultiple(of: 2) ? square : try call.apply(Multiply(), square, x)
  }
}
