import Diagnostics
import GraphIR
import Operations
import Tensors

/// Bicubic resizing along one dimension as a matrix [results, pixels].
struct ResizeMatrix {
  private static let mostElements = 1 << 24

  private let pixels: Int
  private let places: LinearPlaces
  private var values: Tensor<Float>

  /// Each result is a sum of four pixels; those beyond the ends are the last ones, or left out.
  ///
  /// Source: Keys 1981, "Cubic convolution interpolation for digital image processing", with the coefficient a.
  init(
    cubic coordinates: LinearPlaces.Coordinates, from pixels: Int, to count: Int, a: Double,
    leavesOut: Bool
  ) throws(Diagnostic) {
    try self.init(from: pixels, to: count, coordinates)
    for result in 0..<count {
      let (numerator, denominator) = places.place(of: result)
      let first = Self.flooredQuotient(numerator, denominator)
      let share = Double(numerator - first * denominator) / Double(denominator)
      let taps = (-1...2).filter { !leavesOut || (0..<pixels).contains(first + $0) }
      let shares = taps.map { Self.cubic(abs(share - Double($0)), a) }
      let total = leavesOut ? shares.reduce(0, +) : 1
      for (tap, share) in zip(taps, shares) { add(share / total, result, first + tap) }
    }
  }

  private init(
    from pixels: Int, to count: Int, _ coordinates: LinearPlaces.Coordinates
  ) throws(Diagnostic) {
    guard count <= Self.mostElements / pixels else {
      throw Diagnostic(
        "\(pixels) pixels are too many to be resized to \(count) by bicubic interpolation")
    }
    self.pixels = pixels
    places = LinearPlaces(from: pixels, to: count, coordinates)
    values = Tensor(try Shape([count, pixels]), repeating: 0)
  }

  private mutating func add(_ share: Double, _ result: Int, _ pixel: Int) {
    values.values[result * pixels + min(max(pixel, 0), pixels - 1)] += Float(share)
  }

  private static func flooredQuotient(_ numerator: Int, _ denominator: Int) -> Int {
    let (quotient, remainder) = numerator.quotientAndRemainder(dividingBy: denominator)
    return remainder < 0 ? quotient - 1 : quotient
  }

  private static func cubic(_ distance: Double, _ a: Double) -> Double {
    let x = distance
    if x <= 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0
  }

  /// Resizes the rows (dimension 2) or columns (3) of an image.
  func apply(_ x: ValueID, dimension: Int, _ call: NodeCall) throws(Diagnostic) -> ValueID {
    let name = "\(call.node.output.first ?? "").\(dimension == 2 ? "rows" : "columns")"
    let matrix = try call.graph.value(.floats(values), name: name)
    if dimension == 3 {
      return try call.apply(
        DotGeneral(.init(contracting: [3]), .init(contracting: [1])), x, matrix)
    }
    // One for each channel, so that the product's dimensions are in the image's order.
    let shape = call.shape(of: x)
    let all = try call.graph.builder.broadcast(
      matrix, to: try Shape([shape[0], shape[1]] + values.shape.extents), dimensions: [2, 3])
    let channels = [0, 1]
    return try call.apply(
      DotGeneral(
        .init(batching: channels, contracting: [3]), .init(batching: channels, contracting: [2])),
      all, x)
  }
}
