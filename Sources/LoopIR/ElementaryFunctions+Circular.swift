/// Sine, cosine, the arc tangent and rounding to integers, as steps like the other elementary functions.
///
/// Sine and cosine are computed in f64: what is left of large arguments needs more bits than f32 has.
extension ElementaryFunctions {
  /// sin(x + `quarters` pi / 2), an eighth of a turn at most about a multiple of pi / 2.
  func sine(_ x: Number, quarters: Double) -> Number {
    let (r, turns) = reduced(x)
    let k = a.add(turns, a.number(quarters))
    let z = a.multiply(r, r)
    // As a factor, so that -0 stays.
    let sine = a.multiply(r, a.fma(polynomial(z, CircularConstants.sine), z, a.number(1)))
    // 1 - z / 2 loses bits, which the next term gets (fdlibm, k_cos.c).
    let (one, half) = (a.number(1), a.multiply(a.number(0.5), z))
    let most = a.subtract(one, half)
    let lost = a.subtract(a.subtract(one, most), half)
    let cosine = a.add(
      most, a.fma(polynomial(z, CircularConstants.cosine), a.multiply(z, z), lost))
    // k mod 2 and k mod 4, as k - n [k / n], rounded down.
    let odd = a.subtract(k, twice(rounded(a.subtract(k, a.number(0.5)), times: 0.5)))
    let rest = a.subtract(
      k, a.multiply(a.number(4), rounded(a.subtract(k, a.number(1.5)), times: 0.25)))
    let size = a.select(a.isLess(a.number(0.5), odd), cosine, sine)
    return a.select(a.isLess(a.number(1.5), rest), a.multiply(a.number(-1), size), size)
  }

  /// x = k pi / 2 + r for numbers of at most 24 bits below 2^128, with k modulo 4.
  ///
  /// x 2 / pi is the sum of three products; of 2 / pi those bits are left out that add multiples of 4 for numbers as
  /// large as x (Payne and Hanek 1983). The first two products are exact.
  private func reduced(_ x: Number) -> (Number, Number) {
    let size = magnitude(x)
    var scaled = x
    var factor = CircularConstants.quarters[0].map(a.number)
    for (group, parts) in CircularConstants.quarters.enumerated().dropFirst() {
      let bits = CircularConstants.groupBits * group
      let isSmall = a.isLess(size, a.number(c.powerOfTwo(bits)))
      scaled = a.select(isSmall, scaled, a.multiply(x, a.number(c.powerOfTwo(-bits))))
      factor = zip(factor, parts).map { a.select(isSmall, $0, a.number($1)) }
    }
    let products = factor.map { a.multiply(scaled, $0) }
    let parts = products.prefix(2).map { product in
      a.subtract(product, a.multiply(a.number(4), rounded(product, times: 0.25)))
    }
    let k = rounded(a.add(parts[0], parts[1]), times: 1)
    let fraction = a.add(a.add(a.subtract(parts[0], k), parts[1]), products[2])
    return (a.multiply(fraction, a.number(.pi / 2)), k)
  }

  private func twice(_ x: Number) -> Number { a.add(x, x) }

  /// A polynomial up to tan(pi / 8); from there pi / 4 + atan((x - 1) / (x + 1)), and from tan(3 pi / 8) on
  /// pi / 2 - atan(1 / x).
  func arcTangent(_ x: Number) -> Number {
    let (one, size) = (a.number(1), magnitude(x))
    let isMiddle = a.isLess(a.number(0.41421356237309503), size)
    let isLarge = a.isLess(a.number(2.414213562373095), size)
    func chosen(_ large: Number, _ middle: Number, _ small: Number) -> Number {
      a.select(isLarge, large, a.select(isMiddle, middle, small))
    }
    let t = a.divide(
      chosen(a.number(-1), a.subtract(size, one), size), chosen(size, a.add(size, one), one))
    let z = a.multiply(t, t)
    let rest = a.fma(a.multiply(polynomial(z, c.arcTangent), z), t, t)
    let turns = c.quarterTurn.map { chosen(a.number($0), a.number($0 / 2), a.number(0)) }
    return withSign(of: x, a.add(turns[0], a.add(turns[1], rest)))
  }

  /// The nearest integer, of two the even one; numbers without a fraction stay, and so does the sign of zero.
  func nearestInteger(_ x: Number) -> Number {
    let (size, large) = (magnitude(x), a.number(c.powerOfTwo(c.significandBits)))
    let whole = withSign(of: x, a.subtract(a.add(size, large), large))
    return a.select(a.isLess(size, large), whole, x)
  }

  /// The greatest integer that is not greater.
  func floor(_ x: Number) -> Number {
    let nearest = nearestInteger(x)
    return a.select(a.isLess(x, nearest), a.subtract(nearest, a.number(1)), nearest)
  }
}

/// Numbers of sine and cosine, in f64.
private enum CircularConstants {
  /// 2 / pi 2^(24 g) modulo 2^25, each as parts of 29, 29 and 53 bits; for numbers up to 2^(24 (g + 1)).
  static let quarters: [[Double]] = [
    [0x1.4p-1, 0x1.7cc1b7p-7, 0x1.391054a7f09d6p-34],
    [0x1.45f306cp23, 0x1.c9c882ap-5, 0x1.4fe13abe8fa9ap-35],
    [0x1.6e4e441p24, 0x1.4a7f09cp-6, 0x1.5f47d4d377037p-34],
    [0x1.529fc2p20, 0x1.d5f47d4p-6, 0x1.a6ee06db14acdp-35],
    [0x1.3abe8f8p21, 0x1.4d37702p-6, 0x1.6d8a5664f10e4p-34],
    [0x1.f534ddcp24, 0x1.b6c52bp-9, 0x1.93c439041fe51p-36],
  ]
  static let groupBits = 24
  /// With z = x^2: (sin(x) / x - 1) / z for |x| <= pi / 4 (fdlibm, k_sin.c).
  static let sine = [
    -1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04,
    2.75573137070700676789e-06, -2.50507602534068634195e-08, 1.58969099521155010221e-10,
  ]
  /// With z = x^2: (cos(x) - 1 + z / 2) / z^2 for |x| <= pi / 4 (fdlibm, k_cos.c).
  static let cosine = [
    4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05,
    -2.75573143513906633035e-07, 2.08757232129817482790e-09, -1.13596475577881948265e-11,
  ]
}
