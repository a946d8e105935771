import Diagnostics
import GraphIR
import Tensors

/// A weight that the user's file gives, by its name there.
public struct ParameterOperation: TensorOperation {
  public static let mnemonic = "parameter"
  public static let summary =
    "A weight, named as in the user's weight file; its type is declared after the colon."

  public var name: String
  public var type: TensorType

  public init(_ name: String, _ type: TensorType) {
    self.name = name
    self.type = type
  }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    name = try reader.string(AttributeReader.literalName)
    type = try reader.declaredType()
  }

  public var attributes: [Attribute] { [Attribute(AttributeReader.literalName, .string(name))] }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 0...0, mnemonic)
    return [type]
  }

  /// A parameter has no meaning without a weight file: the evaluator looks it up by name.
  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    [Tensor(type.shape, repeating: .nan)]
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation { .source }

  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    []
  }

  public static var samples: [OperationSample] {
    [OperationSample(ParameterOperation("w", .sample([2, 3])), [], refused: [[.sample([1])]])]
  }
}
