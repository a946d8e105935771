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
    var (image, kernel) = (x, try call.value(1))
    switch x.rank {
    case 3: kernel = try VolumeKernel.ofLines(kernel, call)
    case 5:
      image = try VolumeKernel.neighbours(
        x, call.shape(of: kernel)[2], window, borders[0], groups: groups)
      kernel = try VolumeKernel.sideBySide(kernel, call)
    default: break
    }
    let bias = try call.optionalValue(2).map { [$0] } ?? []
    let operation = operation(window, borders, groups: groups)
    return [try x.with(try call.apply(operation, [image.pixels, kernel] + bias)).imported()]
  }

  /// Kernels are [inputs, outputs / groups, rows, columns]: each pixel is spread as the gradient of a convolution
  /// spreads it.
  static func transposed(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let (x, window, kernel) = (try Images(call), try self.window(call), try call.value(1))
    let (groups, taps) = (try groups(call, channels: x.channels), call.shape(of: kernel))
    let outputs = try Shape([taps[1], groups]).elementCount
    let (size, borders) = try transposedSize(of: x.spatial, window, call)
    let operation = operation(window, borders, groups: groups)
    func spread(
      _ kernel: ValueID, channels: Int, bias: ValueID?
    ) throws(Diagnostic) -> Images {
      let shape = try Shape([x.shape[0], channels] + WindowAttributes.plane(size, 1))
      return x.with(
        try operation.imageGradient(x.pixels, kernel, shape, bias: bias, &call.graph.builder))
    }
    let bias = try call.optionalValue(2)
    guard x.rank == 5 else {
      let plane = x.rank == 3 ? try VolumeKernel.ofLines(kernel, call) : kernel
      return [try spread(plane, channels: outputs, bias: bias).imported()]
    }
    let parts = try spread(
      try VolumeKernel.sideBySide(kernel, call),
      channels: try Shape([outputs, taps[2]]).elementCount, bias: nil)
    let sum = try VolumeKernel.sum(
      of: parts, taps[2], window, size: size[0], before: borders[0][0], groups: groups)
    guard let bias else { return [try sum.imported()] }
    let wide = try call.broadcast(bias, to: sum.shape, dimensions: [1])
    return [try sum.with(try call.apply(Add(), sum.pixels, wide)).imported()]
  }

  /// Of rows and columns.
  private static func operation(
    _ window: WindowAttributes, _ borders: [[Int]], groups: Int
  ) -> Convolution {
    let plane = WindowAttributes.plane(borders, [0, 0])
    return Convolution(
      padding: plane[0] + plane[1], strides: WindowAttributes.plane(window.strides, 1),
      rhsDilation: WindowAttributes.plane(window.dilations, 1), featureGroupCount: groups)
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
