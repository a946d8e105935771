import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// The same numbers in another floating-point type.
public struct Convert: TensorOperation {
  public static let mnemonic = "convert"
  public static let summary =
    "The same numbers in the declared floating-point type, rounded to nearest even; the float64 reference does not round."

  public var element: ElementType

  public init(to element: ElementType) { self.element = element }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    element = try reader.declaredType().element
  }

  public var attributes: [Attribute] { [] }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 1...1, mnemonic)
    let result = TensorType(operands[0].shape, element)
    try Require.float([operands[0], result], mnemonic)
    return [result]
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    operands
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    .pointwise { index, operand in
      let value = operand(0, index)
      return operands[0].element == element ? value : .cast(element, value)
    }
  }

  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    let element = builder.type(of: call.operands[0]).element
    return [try builder.apply(Convert(to: element), call.cotangent)]
  }

  public static var samples: [OperationSample] {
    [
      OperationSample(
        Convert(to: .f64), [.sample([3, 2])], refused: [[.sample([3], .i32)], []]),
      OperationSample(Convert(to: .f32), [.sample([5], .f64)]),
    ]
  }
}
