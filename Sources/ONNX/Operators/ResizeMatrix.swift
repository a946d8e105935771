import Diagnostics
import GraphIR
import Operations
import Tensors

/// Resizing along one dimension as a matrix [results, pixels]: bicubic interpolation, and any other by a factor that gives
/// no whole number of pixels.
struct ResizeMatrix {
  enum Interpolation {
    case nearest(NearestPlaces.Rounding)
    case linear
    /// Keys 1981, "Cubic convolution interpolation for digital image processing", with the coefficient a; pixels beyond the
    /// ends are the last ones, or left out.
    case cubic(a: Double, leavesOut: Bool)
  }

  private static let mostElements = 1 << 24

  private let pixels: Int
  private var values: Tensor<Float>

  /// For results of which each lies at a `place` between the pixels.
  init(
    _ interpolation: Interpolation, from pixels: Int, to count: Int, place: (Int) -> Double
  ) throws(Diagnostic) {
    guard count <= Self.mostElements / pixels else {
      throw Diagnostic(
        "\(pixels) pixels are too many to be resized to \(count) by interpolation")
    }
    self.pixels = pixels
    values = Tensor(try Shape([count, pixels]), repeating: 0)
    for result in 0..<count {
      for (pixel, share) in Self.shares(interpolation, place(result), pixels) {
        values.values[result * pixels + pixel.clamped(to: 0...pixels - 1)] += Float(share)
      }
    }
  }

  /// For results whose number is a factor times that of pixels, in the standard's own arithmetic.
  init(
    _ interpolation: Interpolation, from pixels: Int, to count: Int, by factor: Double,
    _ coordinates: LinearPlaces.Coordinates
  ) throws(Diagnostic) {
    let factor = Float(factor)
    try self.init(interpolation, from: pixels, to: count) { result in
      switch coordinates {
      case .half_pixel: Double((Float(result) + 0.5) / factor - 0.5)
      case .asymmetric: Double(Float(result) / factor)
      case .align_corners: count > 1 ? Double(result * (pixels - 1)) / Double(count - 1) : 0
      }
    }
  }

  private static func shares(
    _ interpolation: Interpolation, _ place: Double, _ pixels: Int
  ) -> [(pixel: Int, share: Double)] {
    switch interpolation {
    case .nearest(let rounding): return [(rounding.apply(place), 1)]
    case .linear:
      let inside = place.clamped(to: 0...Double(pixels - 1))
      let first = Int(inside.rounded(.down))
      let share = inside - Double(first)
      return [(first, 1 - share), (first + 1, share)]
    case .cubic(let a, let leavesOut):
      let first = Int(place.rounded(.down))
      let share = place - Double(first)
      let taps = (-1...2).filter { !leavesOut || (0..<pixels).contains(first + $0) }
      let shares = taps.map { cubic(abs(share - Double($0)), a) }
      let total = leavesOut ? shares.reduce(0, +) : 1
      return zip(taps, shares).map { (first + $0, $1 / total) }
    }
  }

  private static func cubic(_ distance: Double, _ a: Double) -> Double {
    let x = distance
    if x <= 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0
  }

  /// Resizes the rows (dimension 2) or columns (3) of images, or the slices (0) of one volume, (1) of several.
  func apply(_ x: ValueID, dimension: Int, _ call: NodeCall) throws(Diagnostic) -> ValueID {
    let part = dimension < 2 ? "slices" : dimension == 2 ? "rows" : "columns"
    let matrix = try call.graph.value(
      .floats(values), name: "\(call.node.output.first ?? "").\(part)")
    let shape = call.shape(of: x)
    if dimension == shape.rank - 1 {
      return try call.apply(
        DotGeneral(.init(contracting: [dimension]), .init(contracting: [1])), x, matrix)
    }
    // One for each of what comes before, so that the product's dimensions are in the image's order.
    let outer = Array(0..<dimension)
    let all = try call.graph.builder.broadcast(
      matrix, to: try Shape(shape.extents[..<dimension] + values.shape.extents),
      dimensions: [dimension, dimension + 1])
    return try call.apply(
      DotGeneral(
        .init(batching: outer, contracting: [dimension + 1]),
        .init(batching: outer, contracting: [dimension])),
      all, x)
  }
}

extension NearestPlaces.Rounding {
  fileprivate func apply(_ place: Double) -> Int {
    switch self {
    case .floor: Int(place.rounded(.down))
    case .ceil: Int(place.rounded(.up))
    case .round_prefer_floor: Int((place - 0.5).rounded(.up))
    case .round_prefer_ceil: Int((place + 0.5).rounded(.down))
    }
  }
}
