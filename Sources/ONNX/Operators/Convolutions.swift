import Diagnostics
import GraphIR
import Operations
import Tensors

/// Convolutions of images with kernels, and their transposes.
enum Convolutions {
  /// Kernels are [outputs, inputs / groups, rows, columns].
  static func convolution(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let (x, window, kernel) = (try call.image(), try self.window(call), try call.value(1))
    let borders = window.borders(of: call.shape(of: x))
    let operation = Convolution(
      padding: borders[0] + borders[1], strides: window.strides, rhsDilation: window.dilations,
      featureGroupCount: try groups(call, channels: call.shape(of: kernel)[0]))
    let bias = try call.optionalValue(2).map { [$0] } ?? []
    return [.value(try call.apply(operation, [x, kernel] + bias))]
  }

  /// Kernels are [inputs, outputs / groups, rows, columns]: each pixel is spread as the gradient of a convolution
  /// spreads it.
  static func transposed(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let (x, window, kernel) = (try call.image(), try self.window(call), try call.value(1))
    let image = call.shape(of: x)
    let groups = try self.groups(call, channels: image[1])
    let (outputs, overflow) = call.shape(of: kernel)[1].multipliedReportingOverflow(by: groups)
    guard !overflow else { throw Diagnostic("it has too many channels") }
    let (size, borders) = try transposedSize(of: image, window, call)
    let operation = Convolution(
      padding: borders[0] + borders[1], strides: window.strides, rhsDilation: window.dilations,
      featureGroupCount: groups)
    let result = try operation.imageGradient(
      x, kernel, try Shape([image[0], outputs] + size), bias: try call.optionalValue(2),
      &call.graph.builder)
    return [.value(result)]
  }

  private static func window(_ call: NodeCall) throws(Diagnostic) -> WindowAttributes {
    let kernel = call.shape(of: try call.value(1))
    guard kernel.rank == 4 else {
      throw Diagnostic(
        "its kernel has the shape \(kernel)", help: "give the network two-dimensional images")
    }
    return try WindowAttributes(call, kernel: Array(kernel.extents[2...]))
  }

  /// Rows and columns of the result, and the borders of the convolution that it is the gradient of.
  private static func transposedSize(
    of image: Shape, _ window: WindowAttributes, _ call: NodeCall
  ) throws(Diagnostic) -> (size: [Int], borders: [[Int]]) {
    let extra = try call.integers(
      "output_padding", count: 2, in: WindowAttributes.range, standard: 0)
    let asked = try call.integers("output_shape").map { Array($0.suffix(2)) }
    guard asked?.count ?? 2 == 2 else { throw Diagnostic("its output_shape is not that of images") }
    var (size, borders): ([Int], [[Int]]) = ([], window.borders(of: image))
    for axis in 0..<2 {
      let whole = (image[axis + 2] - 1) * window.strides[axis] + window.spans[axis] + extra[axis]
      var extent = whole - borders[axis][0] - borders[axis][1]
      if asked != nil || window.isSame {
        extent = asked?[axis] ?? image[axis + 2] * window.strides[axis]
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
