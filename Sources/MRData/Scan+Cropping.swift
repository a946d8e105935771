import ComplexModule
import Diagnostics
import Tensors

/// When images are cut to their size.
public enum CropTime: String, Sendable, Hashable, CaseIterable {
  /// Before the scan is under-sampled, as if its field of view had been that size: 128 columns have 128 lines.
  case before
  /// After the transform of the whole scan.
  case after
}

extension Scan {
  /// The scan as it would be with a field of view of `size`: every coil's image cropped or padded about its centre.
  ///
  /// Throws where the scan is under-sampled: its aliases come from beyond the field of view.
  public func cropped(to size: ImageSize) throws(Diagnostic) -> Scan {
    guard isFullySampled else {
      throw Diagnostic(
        "the scan is under-sampled itself, so that it cannot be cropped before",
        at: SourceLocation(file: path), help: "crop the images after: --crop after")
    }
    if size == ImageSize(height: rows, width: columns) { return self }
    let content: Content
    switch self.content {
    case .images(let images):
      content = .images(
        try images.mapPlanes(to: size) { (image) throws(Diagnostic) in
          try Cropping.centre(image, to: size, padding: 0)
        })
    case .kSpace(let kSpace):
      content = .kSpace(
        try KSpace(
          try kSpace.values.mapPlanes(to: size) { (plane) throws(Diagnostic) in
            try Self.cropped(plane, to: size)
          }))
    }
    var facts = facts
    facts.placement?.crop(ImageSize(height: rows, width: columns), to: size)
    return Scan(content: content, path: path, format: format, series: series, facts: facts)
  }

  /// Of one coil's k-space, [row, column].
  private static func cropped(
    _ plane: Tensor<Complex<Float>>, to size: ImageSize
  ) throws(Diagnostic) -> Tensor<Complex<Float>> {
    let image = try Fourier.inverse(plane.map { Complex(Double($0.real), Double($0.imaginary)) })
    return try Fourier.forward(try Cropping.centre(image, to: size, padding: .zero))
      .map(Complex<Float>.init(rounding:))
  }
}

extension Tensor {
  /// Each plane of the last two dimensions, [row, column], made one of another size.
  fileprivate func mapPlanes(
    to size: ImageSize, _ transform: (Tensor) throws(Diagnostic) -> Tensor
  ) throws(Diagnostic) -> Tensor {
    let outer = Array(shape.extents.dropLast(2))
    let plane = try Shape(Array(shape.extents.suffix(2)))
    var values: [Scalar] = []
    values.reserveCapacity(outer.reduce(1, *) * size.height * size.width)
    for start in stride(from: 0, to: self.values.count, by: plane.elementCount) {
      let part = Array(self.values[start..<start + plane.elementCount])
      values += try transform(try Tensor(plane, part)).values
    }
    return try Tensor(try Shape(outer + [size.height, size.width]), values)
  }
}
