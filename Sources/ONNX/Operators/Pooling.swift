import Diagnostics
import GraphIR
import Operations
import Tensors

/// The largest or mean pixel of each window.
enum Pooling {
  static func max(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let pool = try Pool(call)
    // No pixel is smaller, so that borders count for nothing.
    let x = try Padding.surrounded(pool.image, pool.borders, with: -.infinity, call)
    return [.value(try call.apply(pool.windows(.max), x))]
  }

  static func average(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let pool = try Pool(call)
    let countsBorders = try call.integer("count_include_pad", 0) != 0
    guard !(countsBorders && pool.exceedsBorders) else {
      throw Diagnostic(
        "ceil_mode with count_include_pad is not supported", help: "leave one of them out")
    }
    let x = try Padding.surrounded(pool.image, pool.borders, with: 0, call)
    let sums = try call.apply(pool.windows(.add), x)
    if countsBorders || pool.borders.allSatisfy({ $0 == [0, 0] }) {
      let share = 1 / Double(pool.kernel[0] * pool.kernel[1])
      return [.value(try call.graph.builder.multiply(sums, share))]
    }
    let counts = try call.apply(pool.windows(.add), try pool.ones(call))
    let wide = try call.broadcast(counts, to: call.shape(of: sums), dimensions: [0, 1, 2, 3])
    return [.value(try call.apply(Divide(), sums, wide))]
  }

  static func globalAverage(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let x = try call.image()
    let shape = call.shape(of: x)
    let means = try call.graph.builder.multiply(
      try call.apply(Reduce(dimensions: [2, 3]), x), 1 / Double(shape[2] * shape[3]))
    return [
      .value(
        try call.broadcast(means, to: try Shape([shape[0], shape[1], 1, 1]), dimensions: [0, 1]))
    ]
  }

  static func globalMax(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let x = try call.image()
    let size = Array(call.shape(of: x).extents[2...])
    return [.value(try call.apply(ReduceWindow(.max, window: size, strides: [1, 1]), x))]
  }
}

/// A pooling's attributes.
private struct Pool {
  let image: ValueID
  let kernel: [Int]
  /// Pixels around the image: before and after its rows, before and after its columns.
  let borders: [[Int]]
  /// Whether the last windows end behind the borders that the file asks for (`ceil_mode`).
  let exceedsBorders: Bool
  private let shape: Shape
  private let strides: [Int]

  init(_ call: NodeCall) throws(Diagnostic) {
    image = try call.image()
    shape = call.shape(of: image)
    kernel = try call.integers("kernel_shape", count: 2, in: 1...1024, standard: 1)
    let window = try WindowAttributes(call, kernel: kernel)
    strides = window.strides
    guard window.dilations == [1, 1] else {
      throw Diagnostic("dilations are not supported", help: "use dilations of 1")
    }
    var borders = window.borders(of: shape)
    var exceedsBorders = false
    if try call.integer("ceil_mode", 0) != 0, !window.isSame {
      for axis in 0..<2 {
        let rest = Self.rest(shape[axis + 2], borders[axis], kernel[axis], strides[axis])
        exceedsBorders = exceedsBorders || rest > 0
        borders[axis][1] += rest
      }
    }
    (self.borders, self.exceedsBorders) = (borders, exceedsBorders)
  }

  /// Pixels that are missing for one more window, which starts inside of the image or the border before it.
  private static func rest(_ extent: Int, _ border: [Int], _ kernel: Int, _ stride: Int) -> Int {
    let left = (border[0] + extent + border[1] - kernel) % stride
    let start = border[0] + extent + border[1] - kernel - left + stride
    guard left > 0, start < border[0] + extent else { return 0 }
    return stride - left
  }

  func windows(_ reducer: ReduceWindow.Reducer) -> ReduceWindow {
    ReduceWindow(reducer, window: kernel, strides: strides)
  }

  /// 1 in each pixel of one image, 0 around it.
  func ones(_ call: NodeCall) throws(Diagnostic) -> ValueID {
    let one = try call.constant(1, try Shape([1, 1, shape[2], shape[3]]))
    return try Padding.surrounded(one, borders, with: 0, call)
  }
}
