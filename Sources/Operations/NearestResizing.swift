import Diagnostics
import GraphIR
import Tensors

/// What `resize_nearest` and its gradient have in common: attributes and types.
public protocol NearestResizing: TensorOperation {
  var dimension: Int { get }
  /// Elements of the result.
  var size: Int { get }
  var coordinates: LinearPlaces.Coordinates { get }
  var rounding: NearestPlaces.Rounding { get }

  init(
    dimension: Int, size: Int, coordinates: LinearPlaces.Coordinates,
    rounding: NearestPlaces.Rounding)
}

extension NearestResizing {
  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    let (dimension, size, coordinates) = try LinearPlaces.attributes(&reader)
    let word = try reader.word("rounding", of: NearestPlaces.Rounding.allCases.map(\.rawValue))
    self.init(
      dimension: dimension, size: size, coordinates: coordinates,
      rounding: NearestPlaces.Rounding(rawValue: word) ?? .floor)
  }

  public var attributes: [Attribute] {
    LinearPlaces.attributes(dimension, size, coordinates)
      + [Attribute("rounding", .word(rounding.rawValue))]
  }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try LinearPlaces.inferResult(operands, dimension, size, Self.mnemonic)
  }

  static func sample(
    _ dimension: Int, _ size: Int, _ coordinates: LinearPlaces.Coordinates,
    _ rounding: NearestPlaces.Rounding, _ operand: TensorType, refused: [[TensorType]] = []
  ) -> OperationSample {
    let operation = Self(
      dimension: dimension, size: size, coordinates: coordinates, rounding: rounding)
    return OperationSample(operation, [operand], refused: refused)
  }
}
