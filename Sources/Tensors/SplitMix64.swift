/// A stream of pseudo-random numbers that is the same on every machine.
///
/// SplitMix64: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators" (OOPSLA).
public struct SplitMix64: RandomNumberGenerator, Sendable {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// A multiple of 2^-24 in 0..<1; exact in float32.
  public mutating func nextUnit() -> Float { Float(next() >> 40) * 0x1p-24 }
}
