import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// The adjoint of resizing by nearest neighbours along one dimension.
public struct ResizeNearestGradient: NearestResizing {
  public static let mnemonic = "resize_nearest_gradient"
  public static let summary =
    "The gradient of resize_nearest for the tensor that it resizes, which has size elements along the dimension: the sum of all elements that are copies of one."

  public var dimension: Int
  /// Elements before the resizing.
  public var size: Int
  public var coordinates: LinearPlaces.Coordinates
  public var rounding: NearestPlaces.Rounding

  public init(
    dimension: Int, size: Int, coordinates: LinearPlaces.Coordinates,
    rounding: NearestPlaces.Rounding
  ) {
    self.dimension = dimension
    self.size = size
    self.coordinates = coordinates
    self.rounding = rounding
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    let source = operands[0]
    let places = NearestPlaces(from: size, to: source.shape[dimension], coordinates, rounding)
    let strides = results[0].shape.rowMajorStrides
    var result = Tensor<Double>(results[0].shape, repeating: 0)
    var index = [Int](repeating: 0, count: source.shape.rank)
    for value in source.values {
      var place = index
      place[dimension] = places.element(of: index[dimension])
      result.values[zip(place, strides).reduce(0) { $0 + $1.0 * $1.1 }] += value
      Odometer.advance(&index, source.shape.extents)
    }
    return [result]
  }

  /// A sum over those elements that can be copies.
  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    let count = operands[0].shape[dimension]
    let places = NearestPlaces(from: size, to: count, coordinates, rounding)
    func element(_ index: [Expression], _ reduced: [Expression]) -> Expression {
      places.firstReader(of: index[dimension]) + reduced[0]
    }
    let range = Reduction.Range("r", places.readers) { index, reduced in
      [.binary(.less, element(index, reduced), .integer(count))]
    }
    return .reduction(
      Reduction(
        ranges: [range], initial: { _, _ in .real(0, result.element) },
        update: { sum, index, reduced, operand in
          var place = index
          place[dimension] = element(index, reduced)
          let isCopy = Expression.binary(
            .equal, places.element(of: place[dimension]), index[dimension])
          return sum + .select(isCopy, operand(0, place), .real(0, result.element))
        }))
  }

  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    let extent = builder.shape(of: call.operands[0])[dimension]
    let adjoint = ResizeNearest(
      dimension: dimension, size: extent, coordinates: coordinates, rounding: rounding)
    return [try builder.apply(adjoint, call.cotangent)]
  }

  public static var samples: [OperationSample] {
    let image = TensorType.sample([1, 2, 6, 5])
    return [
      sample(
        2, 4, .asymmetric, .floor, image,
        refused: [[.sample([2, 3])], [], [.sample([1, 2, 6, 5], .i32)]]),
      sample(3, 3, .half_pixel, .ceil, image),
      sample(2, 7, .half_pixel, .round_prefer_ceil, .sample([1, 2, 6, 5], .f64)),
      sample(3, 2, .align_corners, .round_prefer_floor, image),
      sample(0, 3, .half_pixel, .floor, .sample([40])),
    ]
  }
}
