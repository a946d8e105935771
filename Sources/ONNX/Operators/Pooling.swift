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
  private let window: WindowAttributes

  init(_ call: NodeCall) throws(Diagnostic) {
    images = try Images(call)
    let extents = images.spatial
    guard try call.integers("kernel_shape") != nil else {
      throw Diagnostic("it has no kernel_shape", help: "export the network again")
    }
    kernel = try call.integers("kernel_shape", count: extents.count, in: 1...1024, standard: 1)
    window = try WindowAttributes(call, kernel: kernel)
    asked = window.borders(of: extents)
    for (border, span) in zip(asked, window.spans) where (border.max() ?? 0) >= span {
      throw Diagnostic(
        "a border of \(border.max() ?? 0) pixels is not smaller than a window of \(span)")
    }
    var borders = asked
    if try call.integer("ceil_mode", 0) != 0, !window.isSame {
      for axis in extents.indices {
        borders[axis][1] += Self.rest(
          extents[axis], borders[axis], window.spans[axis], window.strides[axis])
      }
    }
    self.borders = borders
  }

  /// Pixels that are missing for one more window, which starts inside of the image or the border before it.
  private static func rest(_ extent: Int, _ border: [Int], _ span: Int, _ stride: Int) -> Int {
    let left = (border[0] + extent + border[1] - span) % stride
    let start = border[0] + extent + border[1] - span - left + stride
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
    let planes = images.with(try reducedPlanes(framed, reducer, call))
    guard images.rank == 5 else { return planes }
    return try planes.alongDepth { (x, dimension) throws(Diagnostic) in
      let around = [borders[0]] + [[Int]](repeating: [0, 0], count: 3)
      let padded = try Padding.surrounded(x, around, with: number, call)
      return try slid(padded, dimension, axis: 0, reducer, call)
    }
  }

  private func reducedPlanes(
    _ x: ValueID, _ reducer: ReduceWindow.Reducer, _ call: NodeCall
  ) throws(Diagnostic) -> ValueID {
    if window.dilations.suffix(2).allSatisfy({ $0 == 1 }) {
      let operation = ReduceWindow(
        reducer, window: WindowAttributes.plane(kernel, 1),
        strides: WindowAttributes.plane(window.strides, 1))
      return try call.apply(operation, x)
    }
    var result = x
    let count = min(kernel.count, 2)
    for place in 0..<count {
      result = try slid(
        result, 4 - count + place, axis: kernel.count - count + place, reducer, call)
    }
    return result
  }

  /// Windows along one dimension, tap by tap.
  private func slid(
    _ x: ValueID, _ dimension: Int, axis: Int, _ reducer: ReduceWindow.Reducer, _ call: NodeCall
  ) throws(Diagnostic) -> ValueID {
    let taps = try window.taps(of: x, dimension, axis: axis, call)
    var result = taps[0]
    for tap in taps.dropFirst() {
      result = try call.apply(reducer == .max ? Maximum() : Add(), result, tap)
    }
    return result
  }
}
