import LoopIR
import Operations

/// The two peaks under which every kernel is (Williams, Waterman, Patterson 2009): arithmetic and memory.
public struct Roofline: Sendable {
  public enum Bound: String, Encodable, Sendable {
    case arithmetic, memory
  }

  /// Measured FMA peak, in 10^9 multiplications and additions a second.
  public var gflops: Double
  /// Measured rate of a copy, bytes read and bytes written, at the size of the largest kernel's data.
  public var gbytesPerSecond: Double

  /// The least time for so much arithmetic and so many bytes, and which of the two it is.
  func least(gflop: Double, gbytes: Double) -> (seconds: Double, bound: Bound) {
    let arithmetic = gflop / gflops
    let memory = gbytes / gbytesPerSecond
    return arithmetic >= memory ? (arithmetic, .arithmetic) : (memory, .memory)
  }

  /// How many times fewer multiplications than the direct algorithm's a kernel does: Winograd's F(m x m, 3 x 3) has
  /// (m + 2)² in place of 9 m².
  static func saving(ofKernel name: String) -> Double {
    guard let m = winogradOutputs(ofKernel: name).map(Double.init) else { return 1 }
    return 9 * m * m / ((m + 2) * (m + 2))
  }

  /// Places for each pixel that a transposed convolution reads: those between them are not multiplied.
  static func pixelDistances(ofKernel name: String) -> Int {
    guard let apart = name.firstMatch(of: /lhs([0-9]+)x([0-9]+)_convolution/) else { return 1 }
    return (Int(apart.1) ?? 1) * (Int(apart.2) ?? 1)
  }

  /// The m of Winograd's F(m x m, 3 x 3); nil for other kernels.
  static func winogradOutputs(ofKernel name: String) -> Int? {
    name.firstMatch(of: /_winograd([0-9]+)x/).flatMap { Int($0.1) }
  }
}

extension LoopModule {
  /// Floating-point operations of each call's FMAs, every border tap counted, as the direct algorithm has them; 0
  /// for kernels that are no convolutions.
  func workOfCalls() -> [Int] {
    run.map { statement in
      guard case .call(let name, let arguments) = statement, let output = arguments.last,
        let result = buffer(named: output)?.buffer.extents.convolved(byKernel: name),
        name.contains("convolution")
      else { return 0 }
      let operands = arguments.dropLast().compactMap { buffer(named: $0)?.buffer.extents }
        .filter { $0.count == 4 }
      if name.contains(ConvolutionKernelGradient.mnemonic) {
        guard operands.count == 2 else { return 0 }
        guard let m = Roofline.winogradOutputs(ofKernel: name) else {
          return Self.kernelGradientWork(result, operands[1])
        }
        return Self.winogradGradientWork(
          result, operands[0], operands[1], products: (m + 2) * (m + 2))
      }
      guard result.count == 4 else { return 0 }
      if let m = Roofline.winogradOutputs(ofKernel: name) {
        return Self.winogradWork(result, operands, products: (m + 2) * (m + 2))
      }
      return Self.convolutionWork(result, operands) / Roofline.pixelDistances(ofKernel: name)
    }
  }

  /// Counted from shapes: weights [o, i, ky, kx] and the result [n, o, y, x].
  private static func convolutionWork(_ result: [Int], _ operands: [[Int]]) -> Int {
    guard let weights = operands.last(where: { $0[0] == result[1] && $0[2] == $0[3] && $0[2] < 12 })
    else { return 0 }
    return 2 * weights.dropFirst().reduce(1, *) * result.reduce(1, *)
  }

  /// The 3x3 taps that transformed weights [block, product, i, o of the block] stand for.
  private static func winogradWork(_ result: [Int], _ operands: [[Int]], products: Int) -> Int {
    guard
      let weights = operands.last(where: { $0[1] == products && $0[0] * $0[3] == result[1] })
    else { return 0 }
    return 2 * 9 * weights[2] * result.reduce(1, *)
  }

  /// The parts [part, o, i, ky, kx] and the cotangent [n, o, y, x]; adding the parts up counts for nothing.
  private static func kernelGradientWork(_ result: [Int], _ cotangent: [Int]) -> Int {
    guard result.count == 5 else { return 0 }
    return 2 * result[2...].reduce(1, *) * cotangent.reduce(1, *)
  }

  /// The 3x3 taps that the transformed parts [task, product, o, i] of all input channels stand for.
  private static func winogradGradientWork(
    _ result: [Int], _ source: [Int], _ cotangent: [Int], products: Int
  ) -> Int {
    guard result.count == 4, result[1] == products else { return 0 }
    return 2 * 9 * source[1] * cotangent.reduce(1, *)
  }

  /// Bytes of each call's buffers, each counted once.
  func trafficOfCalls() -> [Int] {
    run.map { statement in
      guard case .call(_, let arguments) = statement else { return 0 }
      return Set(arguments).reduce(0) { $0 + (buffer(named: $1)?.buffer.byteCount ?? 0) }
    }
  }
}

extension [Int] {
  /// The extents of what a kernel computes before it pools that, where the pooled image is its only result; without
  /// rows and columns that are in no window.
  fileprivate func convolved(byKernel name: String) -> [Int] {
    guard let window = name.firstMatch(of: /_pooled([0-9]+)x([0-9]+)/),
      !name.contains("_and_pooled"), let rows = Int(window.1), let columns = Int(window.2),
      count == 4
    else { return self }
    return [self[0], self[1], self[2] * rows, self[3] * columns]
  }
}
