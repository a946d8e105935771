import Diagnostics
import GraphIR
import Operations
import Tensors

/// Puts the measured lines of k-space back into an image: k = m k_measured + (1 - m) F x, hard data consistency
/// (Schlemper et al. 2018, IEEE TMI 37(2):491, equation 6 without noise); or moves them towards the measured ones.
///
/// Images are [N, 2, H, W], real and imaginary part, with centred k-space.
public struct DataConsistency: Sendable {
  public let mask: LineMask

  public init(_ mask: LineMask) { self.mask = mask }

  /// `x` with the measured lines of `measured`, an image whose k-space has them: the zero-filled one. With a `weight` w,
  /// [1], those lines become (1 - w) F x + w k_measured: soft data consistency with a trained weight (Sriram et al. 2020,
  /// arXiv:2004.06688).
  ///
  /// Computed as x + w F^-1 m F (measured - x), along the axis of the lines alone: the transform along the other one
  /// would be undone, as the mask does not depend on it.
  public func callAsFunction(
    _ x: Value, measured: Value, weight: Value? = nil, fileID: String = #fileID,
    line: Int = #line
  ) -> Value {
    let place = SourceLocation.place(fileID, line)
    guard x.shape.rank == 4, x.shape == measured.shape else {
      return x.tracer.fail(
        Diagnostic(
          "data consistency of \(x.type) with \(measured.type) is not possible", at: place,
          help: "give two images [N, 2, H, W] of one shape"), like: x)
    }
    let missing = x.tracer.record(Subtract(), [measured, x], like: x, at: place)
    let correction = mask.measuredPart(of: missing, at: place)
    guard let weight else {
      return x.tracer.record(Add(), [x, correction], like: x, at: place)
    }
    return x.tracer.record([x, correction, weight], at: place) {
      (x, builder) throws(Diagnostic) in
      let shape = builder.shape(of: x[0])
      guard builder.shape(of: x[2]).extents == [1] else {
        throw Diagnostic(
          "data consistency takes a weight [1], not \(builder.shape(of: x[2]))")
      }
      let wide = try builder.broadcast(x[2], to: shape, dimensions: [0])
      return try builder.add(x[0], try builder.multiply(x[1], wide))
    }
  }
}

extension LineMask {
  /// The image with the measured lines of k-space alone.
  func measuredPart(of x: Value, at place: SourceLocation) -> Value {
    kept(of: x, at: place) { (count) throws(Diagnostic) in
      var lines = [
        Lines(first: offset, count: (count - offset + every - 1) / every, step: every)
      ]
      if centre > 0 {
        lines.append(Lines(first: firstCentral(of: count), count: centre, step: 1))
      }
      return lines
    }
  }

  /// The image with the `centre` lines about the zero frequency alone; of an odd number of lines, an even number of
  /// central ones are the one before it less than after it, as fastMRI has them.
  func calibrationPart(of x: Value, at place: SourceLocation) -> Value {
    kept(of: x, at: place) { (count) throws(Diagnostic) in
      guard centre > 0 else {
        throw Diagnostic(
          "the mask \(text) has no central lines to calibrate with",
          help: "use one with central lines, such as regular:4:22")
      }
      return [Lines(first: (count - centre + 1) / 2, count: centre, step: 1)]
    }
  }

  /// Lines of k-space, `step` apart.
  private struct Lines {
    var first: Int
    var count: Int
    var step: Int
  }

  private func kept(
    of x: Value, at place: SourceLocation, _ lines: (Int) throws(Diagnostic) -> [Lines]
  ) -> Value {
    func apply(_ operation: any Operation, _ operands: Value...) -> Value {
      x.tracer.record(operation, operands, like: x, at: place)
    }
    let count = x.shape[dimension]
    let vectors: [Value]
    do throws(Diagnostic) {
      try check(lines: count)
      vectors = try lines(count).map { (lines) throws(Diagnostic) in
        try Self.ones(lines, of: count, like: x, at: place)
      }
    } catch { return x.tracer.fail(error.located(at: place), like: x) }
    let all = vectors.dropFirst().reduce(vectors[0]) { apply(Maximum(), $0, $1) }
    let wide = apply(BroadcastInDim(x.shape, dimensions: [dimension]), all)
    let kSpace = apply(FFT(.forward, dimensions: [dimension]), x)
    return apply(FFT(.inverse, dimensions: [dimension]), apply(Multiply(), kSpace, wide))
  }

  /// 1 for each of the lines, 0 for the others: ones with zeros around and between, so that no mask is stored.
  private static func ones(
    _ lines: Lines, of count: Int, like x: Value, at place: SourceLocation
  ) throws(Diagnostic) -> Value {
    let one = Constant(1, TensorType(try Shape([lines.count]), x.type.element))
    let high = count - lines.first - (lines.count - 1) * lines.step - 1
    let spread = Pad(low: [lines.first], high: [high], interior: [lines.step - 1])
    return x.tracer.record(
      spread, [x.tracer.record(one, [], like: x, at: place)], like: x, at: place)
  }
}
