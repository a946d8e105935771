import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// A tensor with one number in every place.
public struct Constant: TensorOperation {
  public static let mnemonic = "constant"
  public static let summary =
    "A tensor with the same number in every place; its type is declared after the colon."

  public var value: Double
  public var type: TensorType

  public init(_ value: Double, _ type: TensorType) {
    self.value = value
    self.type = type
  }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    value = try reader.real(AttributeReader.literalName)
    type = try reader.declaredType()
  }

  public var attributes: [Attribute] { [Attribute(AttributeReader.literalName, .real(value))] }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 0...0, mnemonic)
    try Require.float([type], mnemonic)
    return [type]
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    [Tensor(type.shape, repeating: value)]
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    .pointwise { _, _ in .real(value, result.element) }
  }

  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    []
  }

  public static var samples: [OperationSample] {
    [
      OperationSample(Constant(0.25, .sample([2, 3])), [], refused: [[.sample([1])]]),
      OperationSample(Constant(-3, .sample([5], .f64)), []),
    ]
  }
}
