import Diagnostics
import GraphIR
import LoopIR
import Tensors

import func Foundation.cos
import func Foundation.sin

/// The orthonormal discrete Fourier transform of complex images, whose channels are real and imaginary part.
///
/// StableHLO's `fft` takes complex elements; IR/decisions/0034 says why planes of real numbers stand for them here.
public struct FFT: CompositeOperation {
  /// StableHLO's names: with e^(-i...) and back.
  public enum Direction: String, Hashable, Sendable, CaseIterable {
    case forward = "FFT"
    case inverse = "IFFT"

    public var reversed: Direction { self == .forward ? .inverse : .forward }
  }

  public static let mnemonic = "fft"
  public static let summary =
    "The discrete Fourier transform along the dimensions (of rows, 2, and columns, 3) of images [N, 2, H, W] with real and imaginary part as channels: X[k] = 1 / sqrt(n) sum over j of x[j] exp(-2 pi i (k - s) (j - s) / n), with + for IFFT; s is n / 2, rounded down, if centered, else 0."

  /// More points along a dimension make too large a matrix.
  public static let maximumExtent = 1024

  public var direction: Direction
  /// 2, 3 or both; ascending.
  public var dimensions: [Int]
  /// Whether index n / 2 is the origin, as it is in MR data, and not index 0.
  public var isCentered: Bool

  public init(_ direction: Direction, dimensions: [Int] = [2, 3], isCentered: Bool = true) {
    self.direction = direction
    self.dimensions = dimensions
    self.isCentered = isCentered
  }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    (direction, isCentered) = try Self.kind(&reader)
    dimensions = try reader.integers("dimensions")
  }

  /// The attributes that the matrix has too.
  static func kind(
    _ reader: inout AttributeReader
  ) throws(Diagnostic) -> (Direction, isCentered: Bool) {
    let type = try reader.word("fft_type", of: Direction.allCases.map(\.rawValue))
    let centered = try reader.word("centered", of: ["true", "false"])
    return (Direction(rawValue: type) ?? .forward, centered == "true")
  }

  static func attributes(_ direction: Direction, isCentered: Bool) -> [Attribute] {
    [
      Attribute("fft_type", .word(direction.rawValue)),
      Attribute("centered", .word(isCentered ? "true" : "false")),
    ]
  }

  public var attributes: [Attribute] {
    Self.attributes(direction, isCentered: isCentered)
      + [Attribute("dimensions", .integers(dimensions))]
  }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 1...1, mnemonic)
    try Require.float(operands, mnemonic)
    try Require.rank(4, operands[0], "image")
    guard operands[0].shape[1] == 2 else {
      throw Diagnostic(
        "fft takes images of 2 channels, real and imaginary part, not \(operands[0])")
    }
    guard [[2], [3], [2, 3]].contains(dimensions) else {
      throw Diagnostic("dimensions must be [2], [3] or [2, 3], not \(dimensions)")
    }
    for dimension in dimensions where operands[0].shape[dimension] > Self.maximumExtent {
      throw Diagnostic(
        "fft takes up to \(Self.maximumExtent) points along a dimension, not \(operands[0])",
        help: "use smaller images")
    }
    return [operands[0]]
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    [dimensions.reduce(operands[0]) { transformed($0, along: $1) }]
  }

  /// The sum as it is defined.
  private func transformed(_ x: Tensor<Double>, along dimension: Int) -> Tensor<Double> {
    let (count, step) = (x.shape[dimension], x.shape.rowMajorStrides[dimension])
    let origin = isCentered ? count / 2 : 0
    let sign = direction == .forward ? -1.0 : 1
    let angles = (0..<count).map { sign * 2 * Double.pi * Double($0) / Double(count) }
    let waves = angles.map { (real: cos($0), imaginary: sin($0)) }
    let plane = x.shape[2] * x.shape[3]
    var result = x
    for first in x.values.indices where first / plane % 2 == 0 && first / step % count == 0 {
      for k in 0..<count {
        var (real, imaginary) = (0.0, 0.0)
        for j in 0..<count {
          let turns = (k - origin) * (j - origin) % count
          let wave = waves[turns < 0 ? turns + count : turns]
          let place = first + j * step
          real += x.values[place] * wave.real - x.values[place + plane] * wave.imaginary
          imaginary += x.values[place] * wave.imaginary + x.values[place + plane] * wave.real
        }
        result.values[first + k * step] = real / Double(count).squareRoot()
        result.values[first + k * step + plane] = imaginary / Double(count).squareRoot()
      }
    }
    return result
  }

  /// A 1x1 convolution with the Fourier matrix for each dimension, whose points become channels beside real and
  /// imaginary part.
  public func decompose(
    _ operands: [ValueID], _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID] {
    var value = operands[0]
    for dimension in dimensions { value = try transformed(value, along: dimension, &builder) }
    return [value]
  }

  private func transformed(
    _ value: ValueID, along dimension: Int, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID {
    let other = 5 - dimension
    let points = try builder.apply(Transpose([0, dimension, 1, other]), value)
    let shape = builder.shape(of: points)
    let columns = Self.columns(shape[3])
    let channels = try Shape([shape[0], 2 * shape[1], shape[3] / columns, columns])
    let product = try builder.apply(
      Convolution(), try builder.apply(Reshape(channels), points),
      try matrix(points: shape[1], builder.type(of: value).element, &builder))
    let result = try builder.apply(Reshape(shape), product)
    return try builder.apply(Transpose(dimension == 2 ? [0, 2, 1, 3] : [0, 2, 3, 1]), result)
  }

  /// Rounded once from float64.
  private func matrix(
    points: Int, _ element: ElementType, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID {
    let matrix = try builder.apply(
      FourierMatrix(
        direction, isCentered: isCentered, try Shape([2 * points, 2 * points, 1, 1])))
    return element == .f64 ? matrix : try builder.apply(Convert(to: element), matrix)
  }

  /// What lies along the other dimension becomes rows, which threads share, of columns, which tiles of registers take.
  private static func columns(_ count: Int) -> Int {
    let divisor = (1...16).last { count % $0 == 0 } ?? 1
    return divisor < 4 ? count : divisor
  }

  /// The transform is unitary, so that its adjoint is its inverse.
  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    let inverse = FFT(direction.reversed, dimensions: dimensions, isCentered: isCentered)
    return [try builder.apply(inverse, call.cotangent)]
  }

  public static var samples: [OperationSample] {
    let x = TensorType.sample([2, 2, 5, 4])
    return [
      OperationSample(
        FFT(.forward), [x],
        refused: [
          [.sample([2, 1, 5, 4])], [.sample([2, 5, 4])], [x, x], [.sample([1, 2, 2, 1025])],
          [.sample([2, 2, 5, 4], .i32)],
        ]),
      OperationSample(FFT(.inverse, dimensions: [3], isCentered: false), [x]),
      OperationSample(FFT(.forward, dimensions: [2]), [.sample([1, 2, 7, 3], .f64)]),
      OperationSample(FFT(.inverse), [.sample([1, 2, 16, 18])]),
    ]
  }
}
