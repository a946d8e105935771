import Diagnostics
import GraphIR
import Operations
import Tensors

/// A U-Net that sees complex images [N, 2, H, W] with the mean 0 and the standard deviation 1 in each part, padded by
/// zeros to multiples of 16, and whose result is brought back: `fastmri.models.NormUnet`.
///
/// A constant part counts as one with a standard deviation of 2^-63, where fastMRI divides by 0.
public struct NormUNet: Sendable {
  let unet: InstanceNormUNet
  private let pools: Int

  /// As many `pools` as `poolings` allows.
  public init(filters: Int, pools: Int) {
    unet = InstanceNormUNet(2, 2, filters: filters, pools: pools)
    self.pools = pools
  }

  /// So many poolings are possible.
  public static let poolings = 1...4
  private static let multiple = 16

  /// Throws where instance normalization would see a single pixel after the last pooling.
  func check(height: Int, width: Int) throws(Diagnostic) {
    let sizes = [height, width].map { $0 / Self.multiple + ($0 % Self.multiple > 0 ? 1 : 0) }
    guard pools < 4 || sizes.contains(where: { $0 > 1 }) else {
      throw Diagnostic(
        "images of \(height)x\(width) have one pixel after \(pools) poolings, of which nothing is left when they are normalized",
        help: "give images of more than 16 rows or columns, or fewer pools")
    }
  }

  public func callAsFunction(
    _ x: Value, fileID: String = #fileID, line: Int = #line
  ) -> Value {
    let place = SourceLocation.place(fileID, line)
    guard x.shape.rank == 4, x.shape[1] == 2 else {
      return x.tracer.fail(
        Diagnostic(
          "\(x.shape) are no complex images", at: place,
          help: "give [N, 2, H, W], real and imaginary part"), like: x)
    }
    let (height, width) = (x.shape[2], x.shape[3])
    let mean = Self.mean(x, place)
    let centred = x.tracer.record([x, mean], at: place) { (x, builder) throws(Diagnostic) in
      try builder.subtract(x[0], try Self.wide(x[1], like: x[0], &builder))
    }
    let variance = Self.variance(centred, place)
    let normalized = centred.tracer.record([centred, variance], at: place) {
      (x, builder) throws(Diagnostic) in
      let factor = try builder.apply(Rsqrt(), x[1])
      return try builder.multiply(x[0], try Self.wide(factor, like: x[0], &builder))
    }
    let (rows, columns) = (Self.missing(height), Self.missing(width))
    let y = unet(
      normalized.padded(
        top: rows / 2, bottom: rows - rows / 2, left: columns / 2, right: columns - columns / 2,
        fileID: fileID, line: line)
    ).padded(
      top: -(rows / 2), bottom: rows / 2 - rows, left: -(columns / 2),
      right: columns / 2 - columns, fileID: fileID, line: line)
    return y.tracer.record([y, mean, variance], at: place) { (x, builder) throws(Diagnostic) in
      let deviation = try Self.wide(try builder.apply(Sqrt(), x[2]), like: x[0], &builder)
      return try builder.add(
        try builder.multiply(x[0], deviation), try Self.wide(x[1], like: x[0], &builder))
    }
  }

  /// Of each part, [N, 2].
  private static func mean(_ x: Value, _ place: SourceLocation) -> Value {
    x.tracer.record(like: x, at: place) { (x, builder) throws(Diagnostic) in
      let shape = builder.shape(of: x)
      return try builder.multiply(
        try builder.sum(x, over: [2, 3]), 1 / Double(shape[2] * shape[3]))
    }
  }

  /// Of each part with the mean 0, [N, 2]: over one less than the number of pixels.
  private static func variance(_ centred: Value, _ place: SourceLocation) -> Value {
    centred.tracer.record(like: centred, at: place) { (x, builder) throws(Diagnostic) in
      let shape = builder.shape(of: x)
      let squares = try builder.sum(try builder.multiply(x, x), over: [2, 3])
      return try Value.positive(
        try builder.multiply(squares, 1 / Double(max(1, shape[2] * shape[3] - 1))), &builder)
    }
  }

  private static func wide(
    _ statistic: ValueID, like x: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID {
    try builder.broadcast(statistic, to: builder.shape(of: x), dimensions: [0, 1])
  }

  /// Pixels up to the next multiple.
  private static func missing(_ extent: Int) -> Int {
    (multiple - extent % multiple) % multiple
  }
}
