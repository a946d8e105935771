import Tensors

/// What elementary functions are made of: numbers in the interpreter, instructions in a code generator.
///
/// Every operation rounds once to the type, so that both give the same bits; `fma` as targets have it.
public protocol ElementaryArithmetic {
  associatedtype Number
  /// A number's bit pattern as an unsigned integer of its width.
  associatedtype Bits
  associatedtype Truth

  func number(_ value: Double) -> Number
  func add(_ a: Number, _ b: Number) -> Number
  func subtract(_ a: Number, _ b: Number) -> Number
  func multiply(_ a: Number, _ b: Number) -> Number
  func divide(_ a: Number, _ b: Number) -> Number
  func fma(_ a: Number, _ b: Number, _ c: Number) -> Number
  /// False where either is NaN.
  func isLess(_ a: Number, _ b: Number) -> Truth
  func select(_ condition: Truth, _ a: Number, _ b: Number) -> Number

  func bits(_ pattern: UInt64) -> Bits
  func bits(of number: Number) -> Bits
  func number(of bits: Bits) -> Number
  func add(_ a: Bits, _ b: Bits) -> Bits
  func and(_ a: Bits, _ b: Bits) -> Bits
  func or(_ a: Bits, _ b: Bits) -> Bits
  func shiftLeft(_ a: Bits, by count: Int) -> Bits
  func shiftRight(_ a: Bits, by count: Int) -> Bits
}

/// exp, log, tanh, erf, sin, cos, atan and roundings of f32 or f64 without branches or calls, so that they go into vectors and
/// onto GPUs.
///
/// Errors are below 2 units in the last place; subnormal numbers are kept, and NaN stays NaN.
public struct ElementaryFunctions<Arithmetic: ElementaryArithmetic> {
  public typealias Number = Arithmetic.Number
  let a: Arithmetic
  let c: ElementaryConstants

  /// The arithmetic is of `operation.elementaryType(of: element)`.
  public init(_ arithmetic: Arithmetic, _ operation: UnaryOperator, of element: ElementType) {
    a = arithmetic
    c = operation.elementaryType(of: element) == .f64 ? .double : .single
  }

  /// nil for operators that are no such function.
  public func function(_ operation: UnaryOperator) -> ((Number) -> Number)? {
    switch operation {
    case .exp: return exponential
    case .log: return logarithm
    case .tanh: return hyperbolicTangent
    case .erf: return errorFunction
    case .sin: return { sine($0, quarters: 0) }
    case .cos: return { sine($0, quarters: 1) }
    case .atan: return arcTangent
    case .floor: return floor
    case .round: return nearestInteger
    case .negate, .abs, .sqrt, .tf32, .tf32TowardsZero, .not: return nil
    }
  }

  /// 2^n e^r with x = n ln 2 + r and |r| <= ln 2 / 2; e^r is a polynomial.
  private func exponential(_ x: Number) -> Number {
    let limited = clamped(x, c.exponentialRange)
    let n = rounded(limited, times: c.log2e)
    let r = a.fma(n, a.number(-c.ln2Low), a.fma(n, a.number(-c.ln2High), limited))
    let power = a.add(
      a.fma(polynomial(r, c.exponential), a.multiply(r, r), r), a.number(1))
    // 2^n may be no number of the type though the result is; the first product is exact.
    let half = rounded(n, times: 0.5)
    return a.multiply(
      a.multiply(power, powerOfTwo(half)), powerOfTwo(a.subtract(n, half)))
  }

  /// k ln 2 + log(1 + f) with x = 2^k (1 + f) and 1 + f from sqrt(1/2) to sqrt(2); log(1 + f) by a polynomial in
  /// s = f / (2 + f) (fdlibm, e_log.c).
  private func logarithm(_ x: Number) -> Number {
    let isSubnormal = a.isLess(x, a.number(c.smallestNormal))
    let raise = a.number(c.powerOfTwo(c.significandBits))
    let normal = a.select(isSubnormal, a.multiply(x, raise), x)
    let shifted = a.add(a.bits(of: normal), a.bits(c.oneBits &- c.sqrtHalfBits))
    let biased = a.shiftRight(shifted, by: c.significandBits)
    let count = a.number(of: a.or(biased, a.bits(c.integerBits)))
    let bias = c.powerOfTwo(c.significandBits) + Double(c.bias)
    let k = a.subtract(
      count,
      a.select(isSubnormal, a.number(bias + Double(c.significandBits)), a.number(bias)))
    let fraction = a.add(
      a.and(shifted, a.bits(c.significandMask)), a.bits(c.sqrtHalfBits))
    let f = a.subtract(a.number(of: fraction), a.number(1))
    let s = a.divide(f, a.add(a.number(2), f))
    let z = a.multiply(s, s)
    let halfSquare = a.multiply(a.multiply(a.number(0.5), f), f)
    let rest = a.multiply(s, a.fma(polynomial(z, c.logarithm), z, halfSquare))
    let small = a.subtract(a.fma(k, a.number(c.ln2Low), rest), halfSquare)
    let result = a.fma(k, a.number(c.ln2High), a.add(small, f))
    return outsideOfLogarithm(x, else: result)
  }

  /// Infinity and NaN themselves, -infinity of either zero, NaN of what is negative.
  private func outsideOfLogarithm(_ x: Number, else result: Number) -> Number {
    let zero = a.number(0)
    let finite = a.select(a.isLess(x, a.number(.infinity)), result, x)
    let positive = a.select(a.isLess(zero, x), finite, a.add(x, a.number(-.infinity)))
    return a.select(a.isLess(x, zero), a.number(.nan), positive)
  }

  /// An odd polynomial up to 0.625, from there 1 - 2 / (e^2|x| + 1).
  private func hyperbolicTangent(_ x: Number) -> Number {
    let (one, size) = (a.number(1), magnitude(x))
    let z = a.multiply(size, size)
    let small = a.fma(polynomial(z, c.tangent), a.multiply(z, size), size)
    let power = exponential(a.add(size, size))
    let large = a.subtract(one, a.divide(a.number(2), a.add(power, one)))
    return withSign(of: x, a.select(a.isLess(size, a.number(0.625)), small, large))
  }

  /// An odd polynomial up to 1, from there 1 - e^-g with a polynomial g(|x| - 2).
  private func errorFunction(_ x: Number) -> Number {
    let size = clamped(magnitude(x), 0...c.largestErrorArgument)
    let small = a.fma(polynomial(a.multiply(size, size), c.error), size, size)
    let g = polynomial(a.subtract(size, a.number(2)), c.errorExponent)
    let large = a.subtract(a.number(1), exponential(a.subtract(a.number(0), g)))
    return withSign(of: x, a.select(a.isLess(size, a.number(1)), small, large))
  }

  // MARK: Steps

  /// Coefficients begin with the constant one.
  func polynomial(_ x: Number, _ coefficients: [Double]) -> Number {
    let last = a.number(coefficients.last ?? 0)
    return coefficients.dropLast().reversed().reduce(last) { sum, coefficient in
      a.fma(sum, x, a.number(coefficient))
    }
  }

  private func clamped(_ x: Number, _ range: ClosedRange<Double>) -> Number {
    let (low, high) = (a.number(range.lowerBound), a.number(range.upperBound))
    let raised = a.select(a.isLess(x, low), low, x)
    return a.select(a.isLess(high, raised), high, raised)
  }

  /// The integer nearest to a product, as a number: no bit is left for a fraction of so large a sum.
  func rounded(_ x: Number, times factor: Double) -> Number {
    let large = a.number(1.5 * c.powerOfTwo(c.significandBits))
    return a.subtract(a.fma(x, a.number(factor), large), large)
  }

  /// 2^n for an integer n that is an exponent of normal numbers.
  private func powerOfTwo(_ n: Number) -> Number {
    let biased = a.add(n, a.number(c.powerOfTwo(c.significandBits) + Double(c.bias)))
    return a.number(of: a.shiftLeft(a.bits(of: biased), by: c.significandBits))
  }

  func magnitude(_ x: Number) -> Number {
    a.number(of: a.and(a.bits(of: x), a.bits(c.signBit &- 1)))
  }

  func withSign(of x: Number, _ magnitude: Number) -> Number {
    a.number(of: a.or(a.bits(of: magnitude), a.and(a.bits(of: x), a.bits(c.signBit))))
  }
}
