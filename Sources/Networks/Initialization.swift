import Tensors

extension SplitMix64 {
  /// A multiple of 2^-23 in -1..<1; exact in float32.
  mutating func nextSigned() -> Float {
    Float(Int32(next() >> 40) - (1 << 23)) * 0x1p-23
  }
}

extension Initializer {
  /// Fresh values of a parameter.
  ///
  /// Each parameter has its own stream, from the seed and its name, so that adding a layer leaves the others'
  /// values as they were: the state starts at SplitMix64(seed)'s first number xor the name's FNV-1a hash.
  func values(_ shape: Shape, name: String, seed: UInt64) -> Tensor<Float> {
    switch self {
    case .constant(let value): return Tensor(shape, repeating: value)
    case .glorotUniform: return Self.uniform(Self.glorotLimit(shape), shape, name, seed)
    case .fanInUniform: return Self.uniform(Self.fanInLimit(shape), shape, name, seed)
    }
  }

  private static func uniform(
    _ limit: Double, _ shape: Shape, _ name: String, _ seed: UInt64
  ) -> Tensor<Float> {
    var seeds = SplitMix64(seed: seed)
    var stream = SplitMix64(seed: seeds.next() ^ hash(name))
    var tensor = Tensor<Float>(shape, repeating: 0)
    for index in tensor.values.indices { tensor.values[index] = Float(limit) * stream.nextSigned() }
    return tensor
  }

  /// 1 / √fan_in of a tensor [outputs, inputs, kernel...].
  private static func fanInLimit(_ shape: Shape) -> Double {
    1 / Double(max(1, shape.extents.dropFirst().reduce(1, *))).squareRoot()
  }

  /// √(6 / (fan_in + fan_out)) of a tensor [outputs, inputs, kernel...], both fans times the kernel's area, as in
  /// TF r1.15 `variance_scaling_initializer` (a vector counts as both fans, a scalar as 1 and 1).
  static func glorotLimit(_ shape: Shape) -> Double {
    let area = Double(shape.extents.dropFirst(2).reduce(1, *))
    let outputs = Double(shape.rank > 0 ? shape[0] : 1)
    let inputs = Double(shape.rank > 1 ? shape[1] : shape.rank > 0 ? shape[0] : 1)
    return (6 / ((inputs + outputs) * area)).squareRoot()
  }

  /// FNV-1a, 64 bits.
  private static func hash(_ name: String) -> UInt64 {
    name.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }
}
