import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// Resizing by nearest neighbours along one dimension, to any size.
public struct ResizeNearest: NearestResizing {
  public static let mnemonic = "resize_nearest"
  public static let summary =
    "The dimension resized to size elements: element j is that of the operand at place p, as resize_linear's coordinates have it, rounded (floor, ceil, round_prefer_floor, round_prefer_ceil) and moved into the n elements that there are."

  public var dimension: Int
  public var size: Int
  public var coordinates: LinearPlaces.Coordinates
  public var rounding: NearestPlaces.Rounding
  public var isExact: Bool { true }

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
    let places = NearestPlaces(from: source.shape[dimension], to: size, coordinates, rounding)
    let strides = source.shape.rowMajorStrides
    var result = Tensor<Double>(results[0].shape, repeating: 0)
    var index = [Int](repeating: 0, count: source.shape.rank)
    for position in result.values.indices {
      var place = index
      place[dimension] = places.element(of: index[dimension])
      result.values[position] = source.values[zip(place, strides).reduce(0) { $0 + $1.0 * $1.1 }]
      Odometer.advance(&index, result.shape.extents)
    }
    return [result]
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    let places = NearestPlaces(
      from: operands[0].shape[dimension], to: size, coordinates, rounding)
    return .pointwise { index, operand in
      var place = index
      place[dimension] = places.element(of: index[dimension])
      return operand(0, place)
    }
  }

  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    let extent = builder.shape(of: call.operands[0])[dimension]
    let adjoint = ResizeNearestGradient(
      dimension: dimension, size: extent, coordinates: coordinates, rounding: rounding)
    return [try builder.apply(adjoint, call.cotangent)]
  }

  public static var samples: [OperationSample] {
    let image = TensorType.sample([1, 2, 3, 5])
    return [
      sample(
        3, 7, .asymmetric, .floor, image,
        refused: [[.sample([2, 3])], [], [.sample([1, 2, 3, 5], .i32)]]),
      sample(2, 7, .half_pixel, .round_prefer_floor, image),
      sample(3, 3, .half_pixel, .ceil, .sample([1, 2, 3, 5], .f64)),
      sample(1, 5, .align_corners, .round_prefer_ceil, image),
      sample(0, 1, .align_corners, .floor, .sample([7])),
      sample(0, 40, .half_pixel, .floor, .sample([3])),
    ]
  }
}
