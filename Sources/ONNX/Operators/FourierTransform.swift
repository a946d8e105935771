import Diagnostics
import GraphIR
import Operations
import Tensors

/// Discrete Fourier transforms along one dimension of tensors whose last dimension is a number's real and imaginary part.
enum FourierTransform {
  /// The axis is an attribute in version 17, an input since 20; real tensors have one element in the last dimension.
  static func transform(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    var x = try call.value(0)
    let rank = call.shape(of: x).rank
    guard rank >= 2, (1...2).contains(call.shape(of: x)[rank - 1]) else {
      throw Diagnostic(
        "it is applied to a tensor of shape \(call.shape(of: x)), whose last dimension is neither 1 "
          + "(real) nor 2 (real and imaginary part)")
    }
    let isReal = call.shape(of: x)[rank - 1] == 1
    let axis = try call.operatorSet < 20 ? call.integer("axis", 1) : call.integers(2)?.first ?? -2
    let dimension = try call.dimension(axis, rank: rank)
    guard dimension < rank - 1 else {
      throw Diagnostic("it transforms along the last dimension, of real and imaginary parts")
    }
    let isInverse = try call.integer("inverse", 0) != 0
    let isHalf = try call.integer("onesided", 0) != 0
    guard !isHalf || isReal && !isInverse else {
      throw Diagnostic(
        "onesided = 1 is not supported for complex numbers and backwards",
        help: "export the network with fft and ifft in place of rfft and irfft")
    }
    let extent = call.shape(of: x)[dimension]
    let count = try call.integers(1)?.first ?? extent
    guard (1...FFT.maximumExtent).contains(count) else {
      throw Diagnostic("it transforms \(count) points, and 1 to \(FFT.maximumExtent) can be")
    }
    var borders = [[Int]](repeating: [0, 0], count: rank)
    borders[dimension] = [0, max(0, count - extent)]
    borders[rank - 1] = [0, isReal ? 1 : 0]
    x = try Slicing.cut(x, dimension, 0..<min(count, extent), call)
    x = try Padding.surrounded(x, borders, with: 0, call)
    x = try transformed(x, dimension, isInverse ? .inverse : .forward, call)
    return [.value(isHalf ? try Slicing.cut(x, dimension, 0..<count / 2 + 1, call) : x)]
  }

  /// Forwards without a factor, backwards divided by the number of points.
  private static func transformed(
    _ x: ValueID, _ dimension: Int, _ direction: FFT.Direction, _ call: NodeCall
  ) throws(Diagnostic) -> ValueID {
    let shape = call.shape(of: x)
    let last = shape.rank - 1
    // [others, part, height, width]: the dimensions before the parts where they are meant, so that a transform of
    // both leaves images as they are between; else the one that is meant, last.
    let isPlane = last >= 2 && dimension >= last - 2
    let plane = isPlane ? [last - 2, last - 1] : [dimension]
    let others = (0..<last).filter { !plane.contains($0) }
    let order = others + [last] + plane
    let images = try Shape(
      [others.reduce(1) { $0 * shape[$1] }, 2, isPlane ? shape[last - 2] : 1]
        + [shape[plane[plane.count - 1]]])
    let turned = try call.apply(Transpose(order), x)
    let fft = FFT(
      direction, dimensions: [isPlane && dimension == last - 2 ? 2 : 3], isCentered: false)
    let result = try call.apply(fft, try call.apply(Reshape(images), turned))
    let back = try call.apply(
      Transpose(order.indices.map { order.firstIndex(of: $0) ?? $0 }),
      try call.apply(Reshape(try Shape(order.map { shape[$0] })), result))
    let scale = Double(shape[dimension]).squareRoot()
    return try call.graph.builder.multiply(back, direction == .forward ? scale : 1 / scale)
  }
}
