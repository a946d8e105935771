import Diagnostics
import GraphIR
import LoopIR
import Operations
import Tensors

/// Compares native code with the float64 reference on inputs that show different kinds of errors.
public struct Verification {
  /// One comparison of one output.
  public struct Row: Sendable {
    public var input: String
    public var output: Int
    /// Max-norm of the error over the max-norm of the reference, in units of 2^-23.
    public var ulps: Double
    public var outputNorm: Double
  }

  /// The graph as written: neither folded nor fused.
  private let function: Function
  private let weights: [String: Tensor<Double>]

  public init(_ function: Function, weights: [String: Tensor<Float>]) {
    self.function = function
    self.weights = weights.mapValues { $0.map(Double.init) }
  }

  /// The largest error that the precision allows of this function.
  public func promise(_ precision: Precision) -> Double {
    StagedModel.graph(function).promise(precision)
  }

  /// Whether the reference computes numbers on the way that float32 cannot hold: squares of large ones, say.
  public func leavesRange(_ inputs: [Tensor<Float>]) throws(Diagnostic) -> Bool {
    var largest = 0.0
    _ = try Reference.evaluate(
      function, inputs: inputs.map { $0.map(Double.init) }, parameters: weights
    ) { value in
      if value.isFinite { largest = max(largest, abs(value)) }
      return value
    }
    return largest > Double(Float.greatestFiniteMagnitude)
  }

  /// Random images, a constant one, an impulse, a checkerboard, and very small and large values.
  public static let inputKinds = ["random", "constant", "impulse", "checkerboard", "tiny", "huge"]

  /// Deterministic by seed.
  public func inputs(_ kind: String, seed: UInt64) -> [Tensor<Float>] {
    var generator = SplitMix64(seed: seed)
    return function.types(of: function.arguments).map { type in
      var tensor = Tensor<Float>(type.shape, repeating: 0)
      let width = type.shape.extents.last ?? 1
      for position in tensor.values.indices {
        switch kind {
        case "random": tensor.values[position] = generator.nextUnit()
        case "constant": tensor.values[position] = 0.5
        case "impulse":
          tensor.values[position] = position == tensor.values.count / 2 + width / 2 ? 1 : 0
        case "checkerboard":
          tensor.values[position] = Float((position / width + position % width) % 2)
        case "tiny": tensor.values[position] = generator.nextUnit() * 1e-6
        default: tensor.values[position] = (generator.nextUnit() - 0.5) * 1e4
        }
      }
      return tensor
    }
  }

  /// Runs both; `name` tells the rows of these inputs from others, `native` is the model's compiled form.
  public func compare(
    _ name: String, _ inputs: [Tensor<Float>],
    native: ([Tensor<Float>]) throws(Diagnostic) -> [Tensor<Float>]
  ) throws(Diagnostic) -> [Row] {
    let expected = try Reference.evaluate(
      function, inputs: inputs.map { $0.map(Double.init) }, parameters: weights)
    let actual = try native(inputs)
    return zip(expected, actual).enumerated().map { number, pair in
      let (ulps, norm) = Self.error(of: pair.1, against: pair.0)
      return Row(input: name, output: number, ulps: ulps, outputNorm: norm)
    }
  }

  /// How far each output goes where every number that an operation computes, and does not just copy, is half a unit of
  /// float32's last place off, up or down by chance (Monte Carlo arithmetic: Parker 1997): the largest of three samples,
  /// in the same units.
  ///
  /// Sums of float32 are as far off as if their terms were, so the inputs are moved too; `strict` sums in float64.
  public func ownRounding(
    _ inputs: [Tensor<Float>], _ precision: Precision
  ) throws(Diagnostic) -> [Double] {
    let inputs = inputs.map { $0.map(Double.init) }
    let exact = try Reference.evaluate(function, inputs: inputs, parameters: weights)
    var generator = SplitMix64(seed: 1)
    func moved(_ value: Double) -> Double {
      value * (generator.nextUnit() < 0.5 ? 1 - 0x1p-24 : 1 + 0x1p-24)
    }
    var worst = exact.map { _ in 0.0 }
    for _ in 0..<3 {
      let rounded = try Reference.evaluate(
        function, inputs: precision == .strict ? inputs : inputs.map { $0.map(moved) },
        parameters: weights, rounding: moved)
      for output in exact.indices {
        let ulps = Self.error(of: rounded[output].values, against: exact[output].values).ulps
        worst[output] = max(worst[output], ulps)
      }
    }
    return worst
  }

  /// The largest error that a precision allows where rounding alone costs so much, in the same units.
  ///
  /// Promises are for networks in which it costs no more than four; what amplifies it more (many cascades, or
  /// images whose result is a small difference of large numbers) may be as many times further off. Where rounding is
  /// larger than the result (a variance of equal pixels, a gradient that is zero), nothing but its size can be asked for
  /// (IR/decisions/0043, 0048).
  public static func allowed(_ promise: Double, ownRounding: Double) -> Double {
    guard ownRounding.isFinite else { return promise }
    return promise * (ownRounding > 0x1p23 ? ownRounding : max(1, ownRounding / 4))
  }

  /// Infinite where one is finite or a number and the other is not.
  public static func error(
    of actual: Tensor<Float>, against expected: Tensor<Double>
  ) -> (ulps: Double, norm: Double) {
    error(of: actual.values.map(Double.init), against: expected.values)
  }

  private static func error(
    of actual: [Double], against expected: [Double]
  ) -> (ulps: Double, norm: Double) {
    var worst = 0.0
    var norm = 0.0
    for (a, exact) in zip(actual, expected) {
      // What float32 cannot hold is infinite there.
      let b = abs(exact) > Double(Float.greatestFiniteMagnitude) ? exact * .infinity : exact
      if a == b, b.isInfinite { continue }
      if a.isNaN || b.isNaN {
        if a.isNaN != b.isNaN { worst = .infinity }
        continue
      }
      worst = max(worst, abs(a - b))
      if b.isFinite { norm = max(norm, abs(b)) }
    }
    if worst == 0 { return (0, norm) }
    return (norm == 0 || worst == .infinity ? .infinity : worst / norm * 0x1p23, norm)
  }
}
