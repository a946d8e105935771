import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// Linear interpolation along one dimension; twice for bilinear enlargement.
public struct ResizeLinear: TensorOperation {
  public static let mnemonic = "resize_linear"
  public static let summary =
    "The dimension resized to size elements by linear interpolation: element j lies at place p of the operand, where p = (j + 1/2) n / size - 1/2 (coordinates = half_pixel), j (n - 1) / (size - 1) (align_corners) or j n / size (asymmetric), moved into the n elements that there are."

  public var dimension: Int
  public var size: Int
  public var coordinates: LinearPlaces.Coordinates

  public init(dimension: Int, size: Int, coordinates: LinearPlaces.Coordinates) {
    self.dimension = dimension
    self.size = size
    self.coordinates = coordinates
  }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    (dimension, size, coordinates) = try LinearPlaces.attributes(&reader)
  }

  public var attributes: [Attribute] { LinearPlaces.attributes(dimension, size, coordinates) }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try LinearPlaces.inferResult(operands, dimension, size, mnemonic)
  }

  private func places(_ operand: TensorType) -> LinearPlaces {
    LinearPlaces(from: operand.shape[dimension], to: size, coordinates)
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    let source = operands[0]
    let places = LinearPlaces(from: source.shape[dimension], to: size, coordinates)
    let strides = source.shape.rowMajorStrides
    var result = Tensor<Double>(results[0].shape, repeating: 0)
    var index = [Int](repeating: 0, count: source.shape.rank)
    for position in result.values.indices {
      let (low, high, share) = places.neighbours(of: index[dimension])
      var start = zip(index, strides).reduce(0) { $0 + $1.0 * $1.1 }
      start -= index[dimension] * strides[dimension]
      let (a, b) = (
        source.values[start + low * strides[dimension]],
        source.values[start + high * strides[dimension]]
      )
      result.values[position] = a + share * (b - a)
      Odometer.advance(&index, result.shape.extents)
    }
    return [result]
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    let places = places(operands[0])
    return .pointwise { index, operand in
      let (low, high, share) = places.neighbours(of: index[dimension], result.element)
      var (first, second) = (index, index)
      (first[dimension], second[dimension]) = (low, high)
      let a = operand(0, first)
      return .fma(share, operand(0, second) - a, a)
    }
  }

  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    let extent = builder.shape(of: call.operands[0])[dimension]
    let adjoint = ResizeLinearGradient(
      dimension: dimension, size: extent, coordinates: coordinates)
    return [try builder.apply(adjoint, call.cotangent)]
  }

  public static var samples: [OperationSample] {
    let image = TensorType.sample([1, 2, 3, 5])
    return [
      OperationSample(
        ResizeLinear(dimension: 2, size: 6, coordinates: .half_pixel), [image],
        refused: [[.sample([2, 3])], [], [.sample([1, 2, 3, 5], .i32)]]),
      OperationSample(ResizeLinear(dimension: 3, size: 7, coordinates: .align_corners), [image]),
      OperationSample(
        ResizeLinear(dimension: 3, size: 15, coordinates: .asymmetric),
        [.sample([1, 2, 3, 5], .f64)]),
      OperationSample(
        ResizeLinear(dimension: 0, size: 3, coordinates: .half_pixel), [.sample([7])]),
      OperationSample(
        ResizeLinear(dimension: 1, size: 1, coordinates: .align_corners), [.sample([2, 4])]),
    ]
  }
}
