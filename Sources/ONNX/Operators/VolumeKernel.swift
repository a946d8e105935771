import Diagnostics
import GraphIR
import Operations
import Tensors

/// Kernels of one and three dimensions as kernels of images: the slices that a kernel of several slices looks at are
/// channels of one image.
///
/// ```
/// y[d] = sum over t of w[t] * x[d + t]   is   y[d] = [w[0], w[1], w[2]] * [x[d], x[d + 1], x[d + 2]]
/// ```
enum VolumeKernel {
  /// [outputs, inputs, taps] as kernels of one row.
  static func ofLines(_ kernel: ValueID, _ call: NodeCall) throws(Diagnostic) -> ValueID {
    let shape = call.shape(of: kernel)
    return try call.apply(Reshape(try Shape([shape[0], shape[1], 1, shape[2]])), kernel)
  }

  /// [A, B, D, H, W] as [A, D B, H, W]: slices of a kernel follow each other in its inputs, or of a transposed convolution
  /// in its outputs, of each group.
  static func sideBySide(_ kernel: ValueID, _ call: NodeCall) throws(Diagnostic) -> ValueID {
    let extents = call.shape(of: kernel).extents
    let channels = try Shape([extents[1], extents[2]]).elementCount
    let taps = extents[2] > 1 ? try call.apply(Transpose([0, 2, 1, 3, 4]), kernel) : kernel
    return try call.apply(Reshape(try Shape([extents[0], channels] + extents[3...])), taps)
  }

  /// For each slice of the result those that its window looks at, as channels of each group one after the other.
  static func neighbours(
    _ x: Images, _ taps: Int, _ window: WindowAttributes, _ border: [Int], groups: Int
  ) throws(Diagnostic) -> Images {
    let (call, padded) = (x.call, try x.paddedDepth(low: border[0], high: border[1]))
    let joined = try padded.alongDepth { (x, dimension) throws(Diagnostic) in
      let slices = try window.taps(of: x, dimension, axis: 0, call)
      return try Layout.joined(slices, dimension: dimension + 1, call)
    }
    if taps == 1 || groups == 1 { return joined }
    let extents = joined.shape.extents
    let parts = try Shape([extents[0], taps, groups, x.channels / groups] + extents[2...])
    let turned = try call.apply(
      Transpose([0, 2, 1, 3, 4, 5]), try call.apply(Reshape(parts), joined.pixels))
    return joined.with(try call.apply(Reshape(joined.shape), turned))
  }

  /// The sum of what each tap spreads over slices: `parts` are the taps' results as channels of each group one after the
  /// other, and `before` slices in front of the `size` of the result are cut off.
  static func sum(
    of parts: Images, _ taps: Int, _ window: WindowAttributes, size: Int, before: Int, groups: Int
  ) throws(Diagnostic) -> Images {
    let (call, shape) = (parts.call, parts.shape)
    let channels = shape[1] / (taps * groups)
    let grouped = try Shape([shape[0], groups, taps * channels, shape[2], shape[3]])
    var sum: Images?
    for tap in 0..<taps {
      let range = tap * channels..<(tap + 1) * channels
      var part = parts.pixels
      if groups == 1 {
        part = try Slicing.cut(part, 1, range, call)
      } else {
        part = try Slicing.cut(try call.apply(Reshape(grouped), part), 2, range, call)
        part = try call.apply(
          Reshape(try Shape([shape[0], groups * channels, shape[2], shape[3]])), part)
      }
      let low = tap * window.dilations[0] - before
      let reach = low + (parts.depth - 1) * window.strides[0] + 1
      let slices = try parts.with(part).paddedDepth(
        low: low, high: size - reach, interior: window.strides[0] - 1)
      sum =
        try sum.map { (sum) throws(Diagnostic) in
          sum.with(try call.apply(Add(), sum.pixels, slices.pixels))
        } ?? slices
    }
    return sum ?? parts
  }
}
