import Diagnostics
import GraphIR
import Operations
import Tensors

/// Lines, images and volumes resized by nearest neighbours, bilinear or bicubic interpolation.
enum Resizing {
  /// Version 9: a factor for each dimension, and nearest neighbours as `asymmetric` and `floor` have them since.
  static func upsample(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    try call.require("mode", try call.word("mode", "nearest"), among: ["nearest"])
    return [try enlarged(call, factors: try call.floats(1) ?? [])]
  }

  /// Version 10 has factors alone; since 11 either factors or sizes, of some dimensions only since 18.
  static func resize(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    if call.operatorSet < 11 { return try upsample(call) }
    let extents = try call.extents(of: 0)
    let mode = try call.word("mode", "nearest")
    try call.require("mode", mode, among: ["nearest", "linear", "cubic"])
    let policy = try call.word("keep_aspect_ratio_policy", "stretch")
    try call.require("keep_aspect_ratio_policy", policy, among: ["stretch"])
    try call.require("antialias", "\(try call.integer("antialias", 0))", among: ["0"])
    var axes: [Int] = []
    for axis in try call.integers("axes") ?? Array(extents.indices) {
      axes.append(try call.dimension(axis, rank: extents.count))
    }
    var given = try call.floats(2) ?? []
    let sizes = try call.integers(3) ?? []
    guard given.isEmpty != sizes.isEmpty else {
      throw Diagnostic("it has both factors and sizes, or neither", help: "give one of them")
    }
    guard given.count + sizes.count == axes.count, Set(axes).count == axes.count else {
      throw Diagnostic(
        "its \(given.count + sizes.count) factors or sizes are not one for each of the dimensions \(axes)"
      )
    }
    if given.isEmpty { given = zip(sizes, axes).map { Double($0) / Double(extents[$1]) } }
    var factors = extents.map { _ in 1.0 }
    for (dimension, factor) in zip(axes, given) { factors[dimension] = factor }
    switch mode {
    case "linear": return [try linear(call, factors).imported()]
    case "cubic": return [try cubic(call, factors).imported()]
    default: return [try nearest(call, factors).imported()]
    }
  }

  /// Slices, rows and columns one after the other, where their number changes: by `resize`, or by a matrix where a factor
  /// gives no whole number, whose fraction is left out.
  private static func resized(
    _ call: NodeCall, _ factors: [Double], _ interpolation: ResizeMatrix.Interpolation,
    _ resize: (
      _ x: ValueID, _ dimension: Int, _ size: Int, _ coordinates: LinearPlaces.Coordinates
    ) throws(Diagnostic) -> ValueID
  ) throws(Diagnostic) -> Images {
    var x = try Images(call)
    let coordinates = try coordinates(call)
    guard factors[0] == 1, factors[1] == 1 else {
      throw Diagnostic("batch and channels cannot be resized, as by \(factors)")
    }
    for (axis, extent) in x.spatial.enumerated() {
      let factor = factors[axis + 2]
      let (size, isWhole) = try size(extent, factor, call)
      if isWhole, size == extent { continue }
      // One pixel is the first of the image there.
      let isFirst = size == 1 && coordinates == nil
      let place = isFirst ? .asymmetric : coordinates ?? .half_pixel
      func along(_ x: ValueID, _ dimension: Int) throws(Diagnostic) -> ValueID {
        if isWhole { return try resize(x, dimension, size, place) }
        let matrix = try ResizeMatrix(interpolation, from: extent, to: size, by: factor, place)
        return try matrix.apply(x, dimension: dimension, call)
      }
      x =
        x.rank == 5 && axis == 0
        ? try x.alongDepth(along) : x.with(try along(x.pixels, axis + 6 - x.rank))
    }
    return x
  }

  /// Pixels of the result, and whether that is the factor times those there are.
  private static func size(
    _ extent: Int, _ factor: Double, _ call: NodeCall
  ) throws(Diagnostic) -> (size: Int, isWhole: Bool) {
    let exact = Double(extent) * factor
    let isWhole = abs(exact.rounded() - exact) < 1e-5 * exact
    let size = isWhole ? exact.rounded() : exact.rounded(.down)
    let mode = try call.word("coordinate_transformation_mode", "half_pixel")
    guard size >= 1, size < 0x1p24, isWhole || mode != "half_pixel_symmetric" else {
      throw Diagnostic("\(extent) pixels cannot be resized by \(factor)")
    }
    return (Int(size), isWhole)
  }

  private static func linear(
    _ call: NodeCall, _ factors: [Double]
  ) throws(Diagnostic) -> Images {
    try resized(call, factors, .linear) { (x, dimension, size, coordinates) throws(Diagnostic) in
      try call.apply(ResizeLinear(dimension: dimension, size: size, coordinates: coordinates), x)
    }
  }

  private static func cubic(
    _ call: NodeCall, _ factors: [Double]
  ) throws(Diagnostic) -> Images {
    let a = try call.real("cubic_coeff_a", -0.75)
    let leavesOut = try call.integer("exclude_outside", 0) != 0
    let cubic = ResizeMatrix.Interpolation.cubic(a: a, leavesOut: leavesOut)
    return try resized(call, factors, cubic) {
      (x, dimension, size, coordinates) throws(Diagnostic) in
      let extent = call.shape(of: x)[dimension]
      let places = LinearPlaces(from: extent, to: size, coordinates)
      let matrix = try ResizeMatrix(cubic, from: extent, to: size) {
        let (numerator, denominator) = places.place(of: $0)
        return Double(numerator) / Double(denominator)
      }
      return try matrix.apply(x, dimension: dimension, call)
    }
  }

  /// Repeated pixels, of rows and columns together, where each is as often there.
  private static func nearest(
    _ call: NodeCall, _ factors: [Double]
  ) throws(Diagnostic) -> Images {
    let mode = try call.word("nearest_mode", "round_prefer_floor")
    let modes = NearestPlaces.Rounding.allCases
    try call.require("nearest_mode", mode, among: modes.map(\.rawValue))
    let rounding = NearestPlaces.Rounding(rawValue: mode) ?? .floor
    var scale = [1, 1]
    let x = try resized(call, factors, .nearest(rounding)) {
      (x, dimension, size, coordinates) throws(Diagnostic) in
      let extent = call.shape(of: x)[dimension]
      let places = NearestPlaces(from: extent, to: size, coordinates, rounding)
      let times = size / extent
      if dimension >= 2, size % extent == 0, times <= UpsampleNearest.mostTimes,
        (0..<size).allSatisfy({ places.element(of: $0) == $0 / times })
      {
        scale[dimension - 2] = times
        return x
      }
      let operation = ResizeNearest(
        dimension: dimension, size: size, coordinates: coordinates, rounding: rounding)
      return try call.apply(operation, x)
    }
    return scale == [1, 1] ? x : x.with(try call.apply(UpsampleNearest(scale: scale), x.pixels))
  }

  /// Nothing for `pytorch_half_pixel`.
  private static func coordinates(
    _ call: NodeCall
  ) throws(Diagnostic) -> LinearPlaces.Coordinates? {
    let mode = try call.word("coordinate_transformation_mode", "half_pixel")
    try call.require(
      "coordinate_transformation_mode", mode,
      among: [
        "half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "align_corners", "asymmetric",
      ])
    if mode == "half_pixel_symmetric" { return .half_pixel }
    return LinearPlaces.Coordinates(rawValue: mode)
  }

  private static func enlarged(
    _ call: NodeCall, factors: [Double]
  ) throws(Diagnostic) -> ImportedValue {
    let x = try call.image()
    let whole = factors.compactMap { Int(exactly: $0) }
    guard whole.count == 4, whole[0] == 1, whole[1] == 1,
      whole.allSatisfy((1...UpsampleNearest.mostTimes).contains)
    else {
      throw Diagnostic(
        "images can be enlarged by whole factors of 1 to \(UpsampleNearest.mostTimes) in rows and columns, not by \(factors)",
        help: "use such factors, or images whose size gives them")
    }
    let scale = Array(whole[2...])
    return .value(scale == [1, 1] ? x : try call.apply(UpsampleNearest(scale: scale), x))
  }
}
