import LoopIR

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
    guard let match = name.firstMatch(of: /_winograd([0-9]+)x/), let m = Double(match.1) else {
      return 1
    }
    return 9 * m * m / ((m + 2) * (m + 2))
  }
}

extension LoopModule {
  /// Floating-point operations of each call's FMAs, every border tap counted, as the direct algorithm has them.
  ///
  /// Counted from shapes: weights [o, i, ky, kx] and the result [n, o, y, x]; 0 for other kernels. Kernels transformed
  /// for Winograd's algorithm, [block, product, i, o of the block], count as the 3x3 taps that they stand for.
  func workOfCalls() -> [Int] {
    run.map { statement in
      guard case .call(let name, let arguments) = statement, let output = arguments.last,
        let result = buffer(named: output)?.buffer.extents, result.count == 4,
        name.contains("convolution")
      else { return 0 }
      for argument in arguments.dropLast() {
        guard let item = buffer(named: argument), item.role == .constant,
          item.buffer.extents.count == 4
        else { continue }
        let extents = item.buffer.extents
        let taps = name.contains("_winograd") ? 9 * extents[2] : extents.dropFirst().reduce(1, *)
        return 2 * taps * result.reduce(1, *)
      }
      return 0
    }
  }

  /// Bytes of each call's buffers, each counted once.
  func trafficOfCalls() -> [Int] {
    run.map { statement in
      guard case .call(_, let arguments) = statement else { return 0 }
      return Set(arguments).reduce(0) { $0 + (buffer(named: $1)?.buffer.byteCount ?? 0) }
    }
  }
}
