import Diagnostics
import GraphIR
import Operations
import Tensors

/// The largest or mean pixel of each window of lines, images and volumes.
enum Pooling {
  static func max(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    // No pixel is smaller, so that borders count for nothing.
    let pool = try Pool(call)
    return [try pool.reduced(pool.images, .max, around: -.infinity).imported()]
  }

  static func average(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let pool = try Pool(call)
    let sums = try pool.reduced(pool.images, .add, around: 0)
    // Pixels that count, and what surrounds them: never what `ceil_mode` adds.
    var (extents, borders) = (pool.images.spatial, pool.borders)
    if try call.integer("count_include_pad", 0) != 0 {
      extents = zip(extents, pool.asked).map { $0 + $1[0] + $1[1] }
      borders = zip(borders, pool.asked).map { [0, $0[1] - $1[1]] }
    }
    if borders.allSatisfy({ $0 == [0, 0] }) {
      let share = 1 / Double(pool.kernel.reduce(1, *))
      return [try sums.with(try call.graph.builder.multiply(sums.pixels, share)).imported()]
    }
    let one = try pool.images.constant(1, extents: extents)
    let counts = try pool.reduced(one, .add, around: 0, borders: borders)
    let wide = try counts.repeated(like: sums)
    return [try sums.with(try call.apply(Divide(), sums.pixels, wide.pixels)).imported()]
  }

  static func globalAverage(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let x = try Images(call)
    let sums = try x.overDepth(try call.apply(Reduce(dimensions: [2, 3]), x.pixels))
    let means = try call.graph.builder.multiply(sums, 1 / Double(x.spatial.reduce(1, *)))
    return [.value(try single(means, x))]
  }

  static func globalMax(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let x = try Images(call)
    let largest = try call.apply(Reduce(.max, dimensions: [2, 3]), x.pixels)
    return [.value(try single(try x.overDepth(largest, by: .max), x))]
  }

  /// [N, C] with as many dimensions as the images have.
  private static func single(_ values: ValueID, _ x: Images) throws(Diagnostic) -> ValueID {
    let shape = try Shape([x.batch, x.channels] + x.spatial.map { _ in 1 })
    return try x.call.broadcast(values, to: shape, dimensions: [0, 1])
  }
}

/// A pooling's attributes.
private struct Pool {
  let images: Images
  let kernel: [Int]
  /// Pixels around an image that the file asks for: before and after each dimension.
  let asked: [[Int]]
  /// The same with those for one more window (`ceil_mode`).
  let borders: [[Int]]
  private let strides: [Int]

  init(_ call: NodeCall) throws(Diagnostic) {
    images = try Images(call)
    let extents = images.spatial
    guard try call.integers("kernel_shape") != nil else {
      throw Diagnostic("it has no kernel_shape", help: "export the network again")
    }
    kernel = try call.integers("kernel_shape", count: extents.count, in: 1...1024, standard: 1)
    let window = try WindowAttributes(call, kernel: kernel)
    strides = window.strides
    guard window.dilations.allSatisfy({ $0 == 1 }) else {
      throw Diagnostic("dilations are not supported", help: "use dilations of 1")
    }
    asked = window.borders(of: extents)
    for (border, count) in zip(asked, kernel) where (border.max() ?? 0) >= count {
      throw Diagnostic(
        "a border of \(border.max() ?? 0) pixels is not smaller than a window of \(count)")
    }
    var borders = asked
    if try call.integer("ceil_mode", 0) != 0, !window.isSame {
      for axis in extents.indices {
        let rest = Self.rest(extents[axis], borders[axis], kernel[axis], strides[axis])
        borders[axis][1] += rest
      }
    }
    self.borders = borders
  }

  /// Pixels that are missing for one more window, which starts inside of the image or the border before it.
  private static func rest(_ extent: Int, _ border: [Int], _ kernel: Int, _ stride: Int) -> Int {
    let left = (border[0] + extent + border[1] - kernel) % stride
    let start = border[0] + extent + border[1] - kernel - left + stride
    guard left > 0, start < border[0] + extent else { return 0 }
    return stride - left
  }

  /// Each window's sum or largest pixel, with a number around the images.
  func reduced(
    _ images: Images, _ reducer: ReduceWindow.Reducer, around number: Double,
    borders given: [[Int]]? = nil
  ) throws(Diagnostic) -> Images {
    let (call, borders) = (images.call, given ?? self.borders)
    let framed = try Padding.surrounded(
      images.pixels, WindowAttributes.plane(borders, [0, 0]), with: number, call)
    let operation = ReduceWindow(
      reducer, window: WindowAttributes.plane(kernel, 1),
      strides: WindowAttributes.plane(strides, 1))
    let planes = images.with(try call.apply(operation, framed))
    guard images.rank == 5 else { return planes }
    return try reducedDepth(planes, reducer, around: number, borders[0])
  }

  /// Of slices that are reduced already.
  private func reducedDepth(
    _ planes: Images, _ reducer: ReduceWindow.Reducer, around number: Double, _ border: [Int]
  ) throws(Diagnostic) -> Images {
    let call = planes.call
    let padded = try planes.alongDepth { (x, dimension) throws(Diagnostic) in
      let plane = [[Int]](repeating: [0, 0], count: 3)
      return try Padding.surrounded(x, [border] + plane, with: number, call)
    }
    var result: Images?
    for slices in try padded.windows(kernel[0], dilation: 1, stride: strides[0]) {
      result =
        try result.map { (result) throws(Diagnostic) in
          let operation: any Operation = reducer == .max ? Maximum() : Add()
          return result.with(try call.apply(operation, result.pixels, slices.pixels))
        } ?? slices
    }
    return result ?? planes
  }
}
