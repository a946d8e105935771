import Diagnostics
import GraphIR
import LoopIR
import Tensors

import func Foundation.cos

/// The matrix of a Fourier transform of complex numbers as pairs of real ones, as the kernel of a 1x1 convolution, or rows
/// and columns of it.
public struct FourierMatrix: TensorOperation {
  public static let mnemonic = "fourier_matrix"
  public static let summary =
    "The orthonormal Fourier transform of n points as a matrix [2n, 2n, 1, 1] of f64, whose rows and columns are the real and imaginary part of the first point, then those of the next: w[2k + p, 2j + q] = 1 / sqrt(n) cos(2 pi (-+ (k - s) (j - s) / n + (p - q) / 4)), with - for IFFT; s is n / 2, rounded down, if centered, else 0. With `points` = n the matrix [2r, 2c, 1, 1] has the first r rows, and in the place of (j - s) / sqrt(n) stands (j d - t) / sqrt(c), with d and t of `columns`: what transforms of n points are made of."

  public static let optionalAttributes = ["points", "columns"]

  public var direction: FFT.Direction
  public var isCentered: Bool
  public var shape: Shape
  /// n; that of the columns, unless they are part of them.
  public var points: Int
  /// How far apart columns are, and which is the origin.
  public var step: Int
  public var columnOrigin: Int

  /// Without `points` all rows and columns; type inference checks the shape.
  public init(
    _ direction: FFT.Direction, isCentered: Bool, _ shape: Shape, points: Int? = nil,
    step: Int = 1, columnOrigin: Int? = nil
  ) {
    self.direction = direction
    self.isCentered = isCentered
    self.shape = shape
    self.points = points ?? (shape.rank == 4 ? shape[1] / 2 : 0)
    self.step = step
    self.columnOrigin = columnOrigin ?? (isCentered ? self.points / 2 : 0)
  }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    let (direction, isCentered) = try FFT.kind(&reader)
    self.init(direction, isCentered: isCentered, try reader.declaredType().shape)
    points = try reader.integer("points", default: points)
    let columns = try reader.integers("columns", count: 2, default: [1, origin])
    (step, columnOrigin) = (columns[0], columns[1])
  }

  public var attributes: [Attribute] {
    var all = FFT.attributes(direction, isCentered: isCentered)
    if points != shape[1] / 2 { all.append(Attribute("points", .integer(points))) }
    if [step, columnOrigin] != [1, origin] {
      all.append(Attribute("columns", .integers([step, columnOrigin])))
    }
    return all
  }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 0...0, mnemonic)
    guard shape.rank == 4, shape[0] % 2 == 0, shape[1] % 2 == 0, shape[2] == 1, shape[3] == 1,
      (1...FFT.maximumExtent).contains(points), max(shape[0], shape[1]) <= 2 * points
    else {
      throw Diagnostic(
        "a Fourier matrix has the shape [2n, 2n, 1, 1] with n of up to \(FFT.maximumExtent), or with points = n "
          + "less rows and columns, not \(shape)")
    }
    guard (1...points).contains(step), (0..<points).contains(columnOrigin) else {
      throw Diagnostic(
        "columns are 1 to \(points) apart with an origin below \(points), not \([step, columnOrigin])"
      )
    }
    return [TensorType(shape, .f64)]
  }

  private var origin: Int { isCentered ? points / 2 : 0 }
  private var sign: Int { direction == .forward ? 1 : -1 }
  private var scale: Double { 1 / Double(shape[1] / 2).squareRoot() }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    var result = Tensor<Double>(shape, repeating: 0)
    for position in result.values.indices {
      let (row, column) = (position / shape[1], position % shape[1])
      let turns = sign * (row / 2 - origin) * (column / 2 * step - columnOrigin) % points
      let angle = Double(turns) / Double(points) + Double(row % 2 - column % 2) / 4
      result.values[position] = cos(2 * Double.pi * angle) * scale
    }
    return [result]
  }

  /// Terms of the sine's series, which leave less than 2^-70 of a quarter turn's.
  private static let terms = 11

  /// The cosine of u / 4n turns is the sine of |u - 2n| - n of them, which lie within a quarter turn: the reduction is
  /// exact, in integers, and the series a polynomial, so that every processor gets the same bits.
  ///
  /// sin(a) = a - a^2 / 2·3 (a - a^2 / 4·5 (a - ...)), from inside outwards.
  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    .reduction(
      Reduction(
        ranges: [.init("term", Self.terms)],
        initial: { index, _ in angle(index) * .real(scale, .f64) },
        update: { sum, index, reduced, _ in
          let even = .integer(2 * Self.terms) - reduced[0] * .integer(2)
          let angle = angle(index)
          let factor = Expression.binary(
            .divide, angle * angle, .cast(.f64, even * (even + .integer(1))))
          return .fma(.unary(.negate, factor), sum, angle * .real(scale, .f64))
        }))
  }

  /// Whose sine an element is.
  private func angle(_ index: [Expression]) -> Expression {
    func half(_ place: Expression) -> (point: Expression, part: Expression) {
      (.binary(.divide, place, .integer(2)), .binary(.remainder, place, .integer(2)))
    }
    let (row, column) = (half(index[0]), half(index[1]))
    let point = step == 1 ? column.point : column.point * .integer(step)
    let product = (row.point - .integer(origin)) * (point - .integer(columnOrigin))
    let quarters = product * .integer(4 * sign) + (row.part - column.part) * .integer(points)
    let turn = Expression.binary(.remainder, quarters, .integer(4 * points))
    let folded = .unary(.abs, turn - .integer(2 * points)) - .integer(points)
    return .cast(.f64, folded) * .real(Double.pi / Double(2 * points), .f64)
  }

  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] { [] }

  public static var samples: [OperationSample] {
    let whole = [(FFT.Direction.forward, true, 10), (.inverse, false, 8), (.inverse, true, 2)]
      .compactMap { direction, isCentered, extent in
        (try? Shape([extent, extent, 1, 1])).map {
          FourierMatrix(direction, isCentered: isCentered, $0)
        }
      }
    let parts = [(FFT.Direction.forward, [6, 6, 1, 1], 4, 0), (.inverse, [24, 8, 1, 1], 1, 6)]
      .compactMap { direction, extents, step, origin in
        (try? Shape(extents)).map {
          FourierMatrix(
            direction, isCentered: true, $0, points: 12, step: step, columnOrigin: origin)
        }
      }
    return (whole + parts).map { OperationSample($0, [], refused: [[.sample([1])]]) }
  }
}
