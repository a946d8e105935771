import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// Resizing by nearest neighbours along one dimension, to any size.
public struct ResizeNearest: TensorOperation {
  public static let mnemonic = "resize_nearest"
  public static let summary =
    "The dimension resized to size elements: element j is that of the operand at place p, as resize_linear's coordinates have it, rounded (floor, ceil, round_prefer_floor, round_prefer_ceil) and moved into the n elements that there are."

  public var dimension: Int
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

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    (dimension, size, coordinates) = try LinearPlaces.attributes(&reader)
    rounding = try NearestPlaces.rounding(&reader)
  }

  public var attributes: [Attribute] {
    LinearPlaces.attributes(dimension, size, coordinates) + [rounding.attribute]
  }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try LinearPlaces.inferResult(operands, dimension, size, Self.mnemonic)
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
    func sample(
      _ dimension: Int, _ size: Int, _ coordinates: LinearPlaces.Coordinates,
      _ rounding: NearestPlaces.Rounding, _ operand: TensorType, refused: [[TensorType]] = []
    ) -> OperationSample {
      let operation = ResizeNearest(
        dimension: dimension, size: size, coordinates: coordinates, rounding: rounding)
      return OperationSample(operation, [operand], refused: refused)
    }
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

extension NearestPlaces {
  static func rounding(_ reader: inout AttributeReader) throws(Diagnostic) -> Rounding {
    let word = try reader.word("rounding", of: Rounding.allCases.map(\.rawValue))
    return Rounding(rawValue: word) ?? .floor
  }
}

extension NearestPlaces.Rounding {
  var attribute: Attribute { Attribute("rounding", .word(rawValue)) }
}
