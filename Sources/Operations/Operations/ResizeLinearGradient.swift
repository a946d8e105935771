import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// The adjoint of linear interpolation along one dimension.
public struct ResizeLinearGradient: TensorOperation {
  public static let mnemonic = "resize_linear_gradient"
  public static let summary =
    "The gradient of resize_linear for the tensor that it resizes, which has size elements along the dimension: each element gathers what it gave to all others, by the same shares."

  public var dimension: Int
  /// Elements before the interpolation.
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

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    let source = operands[0]
    let places = LinearPlaces(from: size, to: source.shape[dimension], coordinates)
    let strides = results[0].shape.rowMajorStrides
    var result = Tensor<Double>(results[0].shape, repeating: 0)
    var index = [Int](repeating: 0, count: source.shape.rank)
    for value in source.values {
      let (low, high, share) = places.neighbours(of: index[dimension])
      var start = zip(index, strides).reduce(0) { $0 + $1.0 * $1.1 }
      start -= index[dimension] * strides[dimension]
      result.values[start + low * strides[dimension]] += (1 - share) * value
      if share > 0 { result.values[start + high * strides[dimension]] += share * value }
      Odometer.advance(&index, source.shape.extents)
    }
    return [result]
  }

  /// A sum over those elements that can be neighbours.
  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    let count = operands[0].shape[dimension]
    let places = LinearPlaces(from: size, to: count, coordinates)
    func element(_ index: [Expression], _ reduced: [Expression]) -> Expression {
      places.firstReader(of: index[dimension]) + reduced[0]
    }
    let range = Reduction.Range("r", places.readers) { index, reduced in
      let place = element(index, reduced)
      return [
        .binary(.lessOrEqual, .integer(0), place), .binary(.less, place, .integer(count)),
      ]
    }
    return .reduction(
      Reduction(
        ranges: [range], initial: { _, _ in .real(0, result.element) },
        update: { sum, index, reduced, operand in
          var place = index
          place[dimension] = element(index, reduced)
          let (isNear, share) = places.share(
            of: index[dimension], in: place[dimension], result.element)
          return sum + .select(isNear, share * operand(0, place), .real(0, result.element))
        }))
  }

  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    let extent = builder.shape(of: call.operands[0])[dimension]
    let adjoint = ResizeLinear(dimension: dimension, size: extent, coordinates: coordinates)
    return [try builder.apply(adjoint, call.cotangent)]
  }

  public static var samples: [OperationSample] {
    let image = TensorType.sample([1, 2, 6, 5])
    return [
      OperationSample(
        ResizeLinearGradient(dimension: 2, size: 3, coordinates: .half_pixel), [image],
        refused: [[.sample([2, 3])], [], [.sample([1, 2, 6, 5], .i32)]]),
      OperationSample(
        ResizeLinearGradient(dimension: 3, size: 3, coordinates: .align_corners), [image]),
      OperationSample(
        ResizeLinearGradient(dimension: 2, size: 2, coordinates: .asymmetric),
        [.sample([1, 2, 6, 5], .f64)]),
      OperationSample(
        ResizeLinearGradient(dimension: 0, size: 7, coordinates: .half_pixel), [.sample([3])]),
      OperationSample(
        ResizeLinearGradient(dimension: 1, size: 4, coordinates: .align_corners), [.sample([2, 1])]),
    ]
  }
}
