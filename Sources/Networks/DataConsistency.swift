import Diagnostics
import GraphIR
import Operations
import Tensors

/// Puts the measured lines of k-space back into an image: k = m k_measured + (1 - m) F x, hard data consistency
/// (Schlemper et al. 2018, IEEE TMI 37(2):491, equation 6 without noise).
///
/// Images are [N, 2, H, W], real and imaginary part, with centred k-space.
public struct DataConsistency: Sendable {
  public let mask: LineMask

  public init(_ mask: LineMask) { self.mask = mask }

  /// `x` with the measured lines of `measured`, an image whose k-space has them: the zero-filled one.
  ///
  /// Computed as x + F^-1 m F (measured - x), along the axis of the lines alone: the transform along the other one
  /// would be undone, as the mask does not depend on it.
  public func callAsFunction(
    _ x: Value, measured: Value, fileID: String = #fileID, line: Int = #line
  ) -> Value {
    let place = SourceLocation.place(fileID, line)
    func apply(_ operation: any Operation, _ operands: Value...) -> Value {
      x.tracer.record(operation, operands, like: x, at: place)
    }
    guard x.shape.rank == 4, x.shape == measured.shape else {
      return x.tracer.fail(
        Diagnostic(
          "data consistency of \(x.type) with \(measured.type) is not possible", at: place,
          help: "give two images [N, 2, H, W] of one shape"), like: x)
    }
    let lines: Value
    do throws(Diagnostic) { lines = try self.lines(like: x, at: place) } catch {
      return x.tracer.fail(error.located(at: place), like: x)
    }
    let kept = apply(BroadcastInDim(x.shape, dimensions: [mask.dimension]), lines)
    let missing = apply(Subtract(), measured, x)
    let kSpace = apply(FFT(.forward, dimensions: [mask.dimension]), missing)
    let correction = apply(
      FFT(.inverse, dimensions: [mask.dimension]), apply(Multiply(), kSpace, kept))
    return apply(Add(), x, correction)
  }

  /// 1 for each line that is measured, 0 for the others: ones with zeros around and between, so that no mask is stored.
  private func lines(like x: Value, at place: SourceLocation) throws(Diagnostic) -> Value {
    let count = x.shape[mask.dimension]
    try mask.check(lines: count)
    func ones(_ number: Int, first: Int, step: Int) throws(Diagnostic) -> Value {
      let one = Constant(1, TensorType(try Shape([number]), x.type.element))
      let high = count - first - (number - 1) * step - 1
      let spread = Pad(low: [first], high: [high], interior: [step - 1])
      return x.tracer.record(
        spread, [x.tracer.record(one, [], like: x, at: place)], like: x, at: place)
    }
    let regular = try ones(
      (count - mask.offset + mask.every - 1) / mask.every, first: mask.offset, step: mask.every)
    guard mask.centre > 0 else { return regular }
    let central = try ones(mask.centre, first: mask.firstCentral(of: count), step: 1)
    return x.tracer.record(Maximum(), [regular, central], like: x, at: place)
  }
}
