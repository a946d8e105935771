import Diagnostics
import GraphIR
import Operations
import Tensors

/// Convolutions of lines, images and volumes with kernels, and their transposes.
enum Convolutions {
  /// Kernels are [outputs, inputs / groups, rows, columns].
  static func convolution(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let (x, window) = (try Images(call), try self.window(call))
    let borders = window.borders(of: x.spatial)
    let groups = try groups(call, channels: call.extents(of: 1)[0])
    let plane = WindowAttributes.plane(borders, [0, 0])
    let operation = Convolution(
      padding: plane[0] + plane[1], strides: WindowAttributes.plane(window.strides, 1),
      rhsDilation: WindowAttributes.plane(window.dilations, 1), featureGroupCount: groups)
    var (image, kernel) = (x, try call.value(1))
    switch x.rank {
    case 3: kernel = try VolumeKernel.ofLines(kernel, call)
    case 5:
      image = try VolumeKernel.neighbours(
        x, call.shape(of: kernel)[2], window, borders[0], groups: groups)
      kernel = try VolumeKernel.side(bySide: kernel, groups: groups, inputs: true, call)
    default: break
    }
    let bias = try call.optionalValue(2).map { [$0] } ?? []
    return [try x.with(try call.apply(operation, [image.pixels, kernel] + bias)).imported()]
  }

  /// Kernels are [inputs, outputs / groups, rows, columns]: each pixel is spread as the gradient of a convolution
  /// spreads it.
  static func transposed(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let (x, window) = (try Images(call), try self.window(call))
    let groups = try self.groups(call, channels: x.channels)
    let taps = try call.extents(of: 1)
    let (outputs, overflow) = taps[1].multipliedReportingOverflow(by: groups)
    guard !overflow else { throw Diagnostic("it has too many channels") }
    let (size, borders) = try transposedSize(of: x.spatial, window, call)
    let plane = WindowAttributes.plane(borders, [0, 0])
    let operation = Convolution(
      padding: plane[0] + plane[1], strides: WindowAttributes.plane(window.strides, 1),
      rhsDilation: WindowAttributes.plane(window.dilations, 1), featureGroupCount: groups)
    var (kernel, bias) = (try call.value(1), try call.optionalValue(2))
    func spread(channels: Int) throws(Diagnostic) -> Images {
      let shape = try Shape([x.shape[0], channels] + WindowAttributes.plane(size, 1))
      return x.with(
        try operation.imageGradient(x.pixels, kernel, shape, bias: bias, &call.graph.builder))
    }
    switch x.rank {
    case 3: kernel = try VolumeKernel.ofLines(kernel, call)
    case 5:
      let addition = bias
      (kernel, bias) = (
        try VolumeKernel.side(bySide: kernel, groups: groups, inputs: false, call), nil
      )
      let parts = try spread(channels: try Shape([outputs, taps[2]]).elementCount)
      let sum = try VolumeKernel.spread(
        parts, taps[2], window, size: size[0], before: borders[0][0], groups: groups)
      guard let addition else { return [try sum.imported()] }
      let wide = try call.broadcast(addition, to: sum.shape, dimensions: [1])
      return [try sum.with(try call.apply(Add(), sum.pixels, wide)).imported()]
    default: break
    }
    return [try spread(channels: outputs).imported()]
  }

  private static func window(_ call: NodeCall) throws(Diagnostic) -> WindowAttributes {
    let (image, kernel) = (try call.extents(of: 0), try call.extents(of: 1))
    guard kernel.count == image.count else {
      throw Diagnostic(
        "its kernel has the shape \(kernel), and what it is applied to \(image)",
        help: "give both the same number of dimensions")
    }
    let window = Array(kernel[2...])
    if let said = try call.integers("kernel_shape"), said != window {
      throw Diagnostic("its kernel_shape \(said) is not that of its kernel, \(window)")
    }
    return try WindowAttributes(call, kernel: window)
  }

  /// The extents of the result, and the borders of the convolution that it is the gradient of.
  private static func transposedSize(
    of extents: [Int], _ window: WindowAttributes, _ call: NodeCall
  ) throws(Diagnostic) -> (size: [Int], borders: [[Int]]) {
    let extra = try call.integers(
      "output_padding", count: extents.count, in: WindowAttributes.range, standard: 0)
    let asked = try call.integers("output_shape").map { Array($0.suffix(extents.count)) }
    guard asked?.count ?? extents.count == extents.count else {
      throw Diagnostic("its output_shape is not that of images")
    }
    var (size, borders): ([Int], [[Int]]) = ([], window.borders(of: extents))
    for axis in extents.indices {
      let whole = (extents[axis] - 1) * window.strides[axis] + window.spans[axis] + extra[axis]
      var extent = whole - borders[axis][0] - borders[axis][1]
      if asked != nil || window.isSame {
        extent = asked?[axis] ?? extents[axis] * window.strides[axis]
        guard extent - whole <= WindowAttributes.range.upperBound else {
          throw Diagnostic("a result of \(extent) pixels is larger than all that it spreads")
        }
        let cut = max(0, whole - extent)
        // The standard gives the odd pixel to the end for SAME_UPPER alone.
        borders[axis] = window.isSameUpper ? [cut / 2, cut - cut / 2] : [cut - cut / 2, cut / 2]
      }
      size.append(extent)
    }
    return (size, borders)
  }

  private static func groups(_ call: NodeCall, channels: Int) throws(Diagnostic) -> Int {
    let groups = try call.integer("group", 1)
    guard groups >= 1, channels.isMultiple(of: groups) else {
      throw Diagnostic("\(groups) groups do not divide \(channels) channels")
    }
    return groups
  }
}
