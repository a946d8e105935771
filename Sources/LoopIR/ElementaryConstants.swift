/// A floating-point format, and the coefficients of elementary functions that suffice for it.
///
/// Polynomials are minimax approximations (Remez' algorithm, 50 digits), with the constant coefficient first; their
/// errors are below 2^-27 for f32 and 2^-56 for f64.
struct ElementaryConstants {
  let significandBits: Int
  let bias: Int
  /// ln 2 in two parts, of which the first times any exponent is exact.
  let ln2High: Double
  let ln2Low: Double
  let log2e = 0x1.71547652b82fep0
  /// Beyond it e^x is 0 or infinity.
  let exponentialRange: ClosedRange<Double>
  /// (e^r - 1 - r) / r^2 for |r| <= ln 2 / 2.
  let exponential: [Double]
  /// With z = s^2: (log(1 + f) - f + f^2 / 2) / s - f^2 / 2, divided by z (fdlibm, e_log.c and e_logf.c).
  let logarithm: [Double]
  /// With z = x^2: (tanh(x) / x - 1) / z for x <= 0.625.
  let tangent: [Double]
  /// With z = x^2: (atan(x) / x - 1) / z for x <= tan(pi / 8).
  let arcTangent: [Double]
  /// pi / 2 as a number of the type, and the rest.
  let quarterTurn: [Double]
  /// With z = x^2: erf(x) / x - 1 for x <= 1.
  let error: [Double]
  /// -log(1 - erf(x)) of x - 2, for x from 1 to `largestErrorArgument`.
  let errorExponent: [Double]
  /// erf is 1 from there on.
  let largestErrorArgument: Double

  func powerOfTwo(_ exponent: Int) -> Double {
    Double(sign: .plus, exponent: exponent, significand: 1)
  }
  var smallestNormal: Double { powerOfTwo(1 - bias) }
  var significandMask: UInt64 { 1 << UInt64(significandBits) - 1 }
  var signBit: UInt64 { significandBits == 52 ? 1 << 63 : 1 << 31 }
  var oneBits: UInt64 { UInt64(bias) << UInt64(significandBits) }
  /// The pattern of 2^significandBits, whose last bits count units.
  var integerBits: UInt64 { UInt64(bias + significandBits) << UInt64(significandBits) }
  /// The pattern of about sqrt(1/2).
  var sqrtHalfBits: UInt64 { significandBits == 52 ? 0x3FE6_A09E_0000_0000 : 0x3F35_04F3 }

  static let single = ElementaryConstants(
    significandBits: 23, bias: 127, ln2High: 0x1.63p-1, ln2Low: -0x1.bd0106p-13,
    exponentialRange: -104...89,
    exponential: [
      0.4999999403953552, 0.166665181517601, 0.041668422520160675, 0.008369063958525658,
      0.0013813917757943273,
    ],
    logarithm: [0xaaaaaap-24, 0xccce13p-25, 0x91e9eep-25, 0xf89e26p-26],
    tangent: [
      -0.3333328366279602, 0.133314847946167, -0.05374293401837349, 0.020648643374443054,
      -0.005714769009500742,
    ],
    arcTangent: [
      -0.3333333176116851985, 0.1999954048364896344, -0.142639555979846392,
      0.1074373149079108304, -0.06451928208121748758,
    ], quarterTurn: [0x1.921fb6p0, -0x1.777a5cp-25],
    error: [
      0.12837916612625122, -0.3761262595653534, 0.1128358542919159, -0.026853810995817184,
      0.00518832728266716, -0.0008010190795175731, 7.853851275285706e-05,
    ],
    errorExponent: [
      5.364941120147705, 4.418159484863281, 0.9237534999847412, 0.016487903892993927,
      -0.0035442295484244823, 0.0007111113518476486, -0.00018637804896570742,
    ],
    largestErrorArgument: 4)

  static let double = ElementaryConstants(
    significandBits: 52, bias: 1023, ln2High: 6.93147180369123816490e-01,
    ln2Low: 1.90821492927058770002e-10, exponentialRange: -746...710,
    exponential: [
      0.5000000000000011, 0.166666666666664, 0.041666666666524806, 0.008333333333500885,
      0.0013888888945238688, 0.00019841269496588104, 2.48014912580211e-05,
      2.7557591697020823e-06, 2.7630958883040787e-07, 2.4999529801775544e-08,
    ],
    logarithm: [
      6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01,
      2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01,
      1.479819860511658591e-01,
    ],
    tangent: [
      -0.33333333333332876, 0.1333333333326432, -0.05396825393220397, 0.021869487595572012,
      -0.008863221235371439, 0.0035919908930800827, -0.0014549669918424567,
      0.0005863410512702643, -0.00022861006717871454, 7.719274654910135e-05,
      -1.6094572997900208e-05,
    ],
    arcTangent: [
      -0.3333333333333333016, 0.1999999999999552068, -0.1428571428466654292,
      0.1111111101525636173, -0.0909090457812390189, 0.07692183190826086564,
      -0.06664511447381948, 0.05858148912802209882, -0.05085449737940259861,
      0.0392316582955871913, -0.01917688711906225899,
    ], quarterTurn: [0x1.921fb54442d18p0, 0x1.1a62633145c07p-54],
    error: [
      0.1283791670955126, -0.3761263890318375, 0.11283791670954857, -0.026866170645072893,
      0.005223977624780856, -0.0008548326978741403, 0.00012055331036866374,
      -1.4925593506029411e-05, 1.6460972802586814e-06, -1.635002506553814e-07,
      1.4657878770395011e-08, -1.1365661793395931e-09, 5.945254692966e-11,
    ],
    errorExponent: [
      5.364941264616638, 4.418160805994417, 0.9237508418238044, 0.016465118136853252,
      -0.0035707563461624754, 0.0007323993858519545, -0.00013530933461216948,
      2.0706432155941327e-05, -1.95219430661747e-06, -2.0364175470500895e-07,
      1.732058362804379e-07, -5.77980592856275e-08, 1.3949745931821493e-08,
      -2.5384901159614955e-09, 2.7471298262791415e-10, 4.2793600759615846e-11,
      -3.741556408617601e-11, 1.0173992707004922e-11, -1.0496375445045838e-12,
    ],
    largestErrorArgument: 6)
}
