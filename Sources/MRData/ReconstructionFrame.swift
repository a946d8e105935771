import ComplexModule
import Diagnostics
import RealModule
import Tensors

/// One frame between zero-filling and the network, with what is needed to come back from it.
struct ReconstructionFrame {
  /// The zero-filled magnitude, cropped, in the scan's units.
  let magnitude: Tensor<Float>
  /// Its own, or that of the volume it is part of.
  var scaling: Scaling
  /// [coil, row, column] at the scan's size.
  private let coilImages: Tensor<Complex<Double>>
  private let kSpace: Tensor<Complex<Double>>
  private let mask: SamplingMask
  private let size: ImageSize

  init(
    _ full: Tensor<Complex<Double>>, mask: SamplingMask, size: ImageSize, recipe: Reconstruction
  ) throws(Diagnostic) {
    self.mask = mask
    self.size = size
    kSpace = try mask.apply(to: full)
    coilImages = try Fourier.inverse(kSpace)
    let combined = try recipe.combination.magnitude(coilImages)
    let cropped = try Cropping.centre(combined, to: size, padding: 0).map { Float($0) }
    magnitude = cropped
    scaling = Self.scaling(of: cropped.values, recipe)
  }

  private static func scaling(of magnitudes: [Float], _ recipe: Reconstruction) -> Scaling {
    switch (recipe.scaling, recipe.images) {
    case (.none, _): .identity
    case (_, .complex), (_, .coils): Scaling(mappingMaximum: magnitudes.max() ?? 0)
    case (.percentile, _): Scaling(mappingPercentilesOf: magnitudes)
    default: Scaling(mappingRangeOf: magnitudes)
    }
  }

  /// The frames with the scaling of all of them together, so that none is brighter than its neighbours.
  static func volume(
    _ frames: [ReconstructionFrame], _ recipe: Reconstruction
  ) -> [ReconstructionFrame] {
    let shared = scaling(of: frames.flatMap(\.magnitude.values), recipe)
    return frames.map {
      var frame = $0
      frame.scaling = shared
      return frame
    }
  }

  /// A magnitude at the scan's size, cropped as this frame is.
  func cropped(_ image: Tensor<Double>) throws(Diagnostic) -> Tensor<Float> {
    try Cropping.centre(image, to: size, padding: 0).map { Float($0) }
  }

  /// What the network takes: [channel, row, column], scaled, by its own constants unless others are given.
  func networkInput(
    _ images: NetworkImages, scaling: Scaling? = nil
  ) throws(Diagnostic) -> [Float] {
    let scaling = scaling ?? self.scaling
    if images == .magnitude { return magnitude.values.map(scaling.apply) }
    let (points, plane) = (mask.rows * mask.columns, try Shape([mask.rows, mask.columns]))
    var channels: [Float] = []
    for coil in 0..<(images == .coils ? coils : 1) {
      let values = Array(coilImages.values[coil * points..<(coil + 1) * points])
      let image = try Cropping.centre(try Tensor(plane, values), to: size, padding: .zero)
      channels += image.values.map { scaling.apply(Float($0.real)) }
      channels += image.values.map { scaling.apply(Float($0.imaginary)) }
    }
    return channels
  }

  var coils: Int { coilImages.shape[0] }

  /// The network's output as magnitudes in the scan's units, after data consistency where asked for.
  func images(
    fromNetwork values: ArraySlice<Float>, recipe: Reconstruction
  ) throws(Diagnostic) -> [Float] {
    let restored = values.map(scaling.invert)
    let isMagnitude = recipe.images.outputChannels == 1
    if isMagnitude, recipe.consistency == .none { return restored }
    let count = size.height * size.width
    let image = (0..<count).map { index in
      Complex(Double(restored[index]), isMagnitude ? 0 : Double(restored[count + index]))
    }
    if recipe.consistency == .none { return image.map { Float($0.length) } }
    return try consistent(
      try Tensor(try Shape([size.height, size.width]), image), isMagnitude: isMagnitude,
      combination: recipe.combination)
  }

  /// The images that GRAPPA makes of the measured lines, as magnitudes in the scan's units.
  func parallelImages(_ grappa: GRAPPA, _ combination: CoilCombination) throws(Diagnostic)
    -> [Float]
  {
    let images = try Fourier.inverse(try grappa.fill(kSpace, mask: mask))
    return try cropped(try combination.magnitude(images)).values
  }

  /// Puts the measured points back: the image, with the zero-filled surroundings that cropping took away, is shared out
  /// to the coils, transformed, overwritten where k-space was kept, and transformed back.
  private func consistent(
    _ patch: Tensor<Complex<Double>>, isMagnitude: Bool, combination: CoilCombination
  ) throws(Diagnostic) -> [Float] {
    let points = mask.rows * mask.columns
    let combined = try CoilCombination.rootSumOfSquares(coilImages)
    var image =
      isMagnitude
      ? combined.map { Complex($0, 0) }
      : try Tensor(combined.shape, Array(coilImages.values.prefix(points)))
    try Cropping.insert(patch, into: &image)
    var shared = coilImages
    for index in shared.values.indices {
      let (coil, point) = (index / points, index % points)
      let whole = combined.values[point]
      // Where nothing was measured, the first coil takes all.
      let silent: Complex<Double> = coil == 0 ? .one : .zero
      let share = whole > 0 ? coilImages.values[index] / Complex(whole, 0) : silent
      shared.values[index] = isMagnitude ? image.values[point] * share : image.values[point]
    }
    var filled = try Fourier.forward(shared)
    for index in filled.values.indices where mask.isKept[index % points] {
      filled.values[index] = kSpace.values[index]
    }
    return try cropped(try combination.magnitude(try Fourier.inverse(filled))).values
  }
}
