import ComplexModule
import Diagnostics
import RealModule
import Tensors

/// Generalized autocalibrating partially parallel acquisitions: missing lines are sums over measured neighbours in all
/// coils, with weights fitted to the central lines.
///
/// Griswold et al. 2002, Magn Reson Med 47:1202. For each missing line the sources are the measured lines closest to it,
/// `sources` / 2 on either side, and `width` points along the readout; lines whose sources lie at the same distances
/// share weights. The fit is least squares with Tikhonov's regularization: the mean of the normal matrix's diagonal times
/// `regularization` is added to the diagonal.
public struct GRAPPA: Sendable {
  public var sources = 2
  /// Odd.
  public var width = 5
  public var regularization = 3e-4

  public init() {}

  /// Fills the missing lines of [coil, row, column]; measured ones stay as they are.
  ///
  /// Throws where the mask is not made of lines, there is one coil, or too few central lines were measured.
  public func fill(
    _ kSpace: Tensor<Complex<Double>>, mask: SamplingMask
  ) throws(Diagnostic) -> Tensor<Complex<Double>> {
    guard let kept = mask.keptLines else {
      throw Diagnostic(
        "GRAPPA needs k-space made of whole lines",
        help: "use a mask of lines, such as regular:4:22")
    }
    guard kSpace.shape[0] > 1 else {
      throw Diagnostic("GRAPPA needs several coils", help: "reconstruct this scan without it")
    }
    // Lines are the rows from here on.
    let order = mask.axis == .rows ? [0, 1, 2] : [0, 2, 1]
    var lines = LineKSpace(try kSpace.permuted(order), kept: kept)
    let missing = (0..<lines.count).filter { !lines.isMeasured[$0] }
    for (offsets, targets) in try grouped(missing, lines) {
      let weights = try weights(offsets, lines)
      for line in targets { lines.set(line, applied(weights, offsets, line, lines)) }
    }
    return try lines.tensor.permuted(order)
  }

  /// Missing lines by the distances of their sources, in order.
  private func grouped(
    _ missing: [Int], _ lines: LineKSpace
  ) throws(Diagnostic) -> [(offsets: [Int], lines: [Int])] {
    var groups: [[Int]: [Int]] = [:]
    for line in missing {
      let below = lines.measured.last { $0 < line }
      let above = lines.measured.first { $0 > line }
      let half = max(1, sources / 2)
      let low = lines.measured.filter { $0 < line }.suffix(half)
      let high = lines.measured.filter { $0 > line }.prefix(half)
      var offsets = (low + high).map { $0 - line }
      // The farthest go until the rest fits into the central lines several times.
      while offsets.count > 1, calibrationCount(offsets, lines) < 3 {
        let farthest = offsets.max { abs($0) < abs($1) } ?? 0
        offsets.removeAll { $0 == farthest }
      }
      guard below != nil || above != nil, calibrationCount(offsets, lines) >= 3 else {
        throw Diagnostic(
          "\(lines.calibration.count) central lines are too few for GRAPPA",
          help:
            "keep more central lines, such as regular:4:22; of a scan with a pattern of its own, --mask detect"
        )
      }
      groups[offsets, default: []].append(line)
    }
    return groups.sorted { $0.value[0] < $1.value[0] }.map { ($0.key, $0.value) }
  }

  /// The central lines that can be the target of sources at these distances.
  private func calibrationTargets(_ offsets: [Int], _ lines: LineKSpace) -> Range<Int> {
    let low = lines.calibration.lowerBound - min(0, offsets.min() ?? 0)
    let high = lines.calibration.upperBound - max(0, offsets.max() ?? 0)
    return low..<max(low, high)
  }

  private func calibrationCount(_ offsets: [Int], _ lines: LineKSpace) -> Int {
    calibrationTargets(offsets, lines).count
  }

  /// For each target coil, the weights of the sources: (offset, coil, place along the readout).
  private func weights(
    _ offsets: [Int], _ lines: LineKSpace
  ) throws(Diagnostic) -> [[Complex<Double>]] {
    let count = offsets.count * lines.coils * width
    var normal = [Complex<Double>](repeating: .zero, count: count * count)
    var right = [[Complex<Double>]](
      repeating: [Complex<Double>](repeating: .zero, count: count), count: lines.coils)
    for line in calibrationTargets(offsets, lines) {
      for place in width / 2..<lines.length - width / 2 {
        let source = gathered(offsets, line, place, lines)
        for row in 0..<count {
          let conjugate = source[row].conjugate
          for column in 0...row { normal[row * count + column] += conjugate * source[column] }
          for coil in 0..<lines.coils { right[coil][row] += conjugate * lines[coil, line, place] }
        }
      }
    }
    let trace = (0..<count).reduce(0) { $0 + normal[$1 * count + $1].real }
    let added = max(trace / Double(count) * regularization, .leastNormalMagnitude)
    for index in 0..<count { normal[index * count + index] += Complex(added, 0) }
    guard let solver = HermitianSolver(normal, count: count) else {
      throw Diagnostic(
        "GRAPPA's fit has no solution: the central lines are zero or not finite",
        help: "check the scan with 'rephase info'")
    }
    return right.map(solver.solve)
  }

  /// The sources about a place; zero past the ends of the readout.
  private func gathered(
    _ offsets: [Int], _ line: Int, _ place: Int, _ lines: LineKSpace
  ) -> [Complex<Double>] {
    var values: [Complex<Double>] = []
    values.reserveCapacity(offsets.count * lines.coils * width)
    for offset in offsets {
      for coil in 0..<lines.coils {
        for shift in -(width / 2)...width / 2 {
          let at = place + shift
          values.append(
            at >= 0 && at < lines.length ? lines[coil, line + offset, at] : .zero)
        }
      }
    }
    return values
  }

  /// The line of every coil: [coil][place].
  private func applied(
    _ weights: [[Complex<Double>]], _ offsets: [Int], _ line: Int, _ lines: LineKSpace
  ) -> [[Complex<Double>]] {
    var result = weights.map { _ in [Complex<Double>](repeating: .zero, count: lines.length) }
    for place in 0..<lines.length {
      let source = gathered(offsets, line, place, lines)
      for coil in weights.indices {
        var sum = Complex<Double>.zero
        for index in source.indices { sum += weights[coil][index] * source[index] }
        result[coil][place] = sum
      }
    }
    return result
  }
}

/// K-space as [coil, line, place along the readout].
private struct LineKSpace {
  private(set) var tensor: Tensor<Complex<Double>>
  /// In order.
  let measured: [Int]
  let isMeasured: [Bool]
  /// The measured lines about the centre without a gap.
  let calibration: Range<Int>

  init(_ tensor: Tensor<Complex<Double>>, kept: [Int]) {
    self.tensor = tensor
    measured = kept
    let set = Set(kept)
    let count = tensor.shape[1]
    isMeasured = (0..<count).map { set.contains($0) }
    var (low, high) = (count / 2, count / 2)
    while low > 0, set.contains(low - 1) { low -= 1 }
    while high < count, set.contains(high) { high += 1 }
    calibration = low..<high
  }

  var coils: Int { tensor.shape[0] }
  var count: Int { tensor.shape[1] }
  var length: Int { tensor.shape[2] }

  subscript(_ coil: Int, _ line: Int, _ place: Int) -> Complex<Double> {
    tensor.values[(coil * count + line) * length + place]
  }

  mutating func set(_ line: Int, _ values: [[Complex<Double>]]) {
    for coil in values.indices {
      let start = (coil * count + line) * length
      tensor.values.replaceSubrange(start..<start + length, with: values[coil])
    }
  }
}
