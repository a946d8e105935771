import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// Tensors one after the other.
public struct Concatenate: TensorOperation {
  public static let mnemonic = "concatenate"
  public static let summary =
    "The operands one after the other along a dimension; all other extents are equal."

  public var dimension: Int

  static let mostOperands = 64
  public var isExact: Bool { true }

  public init(dimension: Int) { self.dimension = dimension }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    dimension = try reader.integer("dimension")
  }

  public var attributes: [Attribute] { [Attribute("dimension", .integer(dimension))] }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 1...Self.mostOperands, mnemonic)
    try Require.float(operands, mnemonic)
    var extents = operands[0].shape.extents
    guard extents.indices.contains(dimension) else {
      throw Diagnostic("dimension \(dimension) is not one of \(operands[0])")
    }
    for operand in operands.dropFirst() {
      try Require.element(operands[0].element, operand, "operands")
      guard operand.shape.rank == extents.count,
        extents.indices.allSatisfy({ $0 == dimension || operand.shape[$0] == extents[$0] })
      else {
        throw Diagnostic(
          "\(operand) does not continue \(operands[0]) along dimension \(dimension)",
          help: "all extents but that of the dimension must be equal")
      }
      extents[dimension] += operand.shape[dimension]
    }
    return [TensorType(try Shape(extents), operands[0].element)]
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    var result = Tensor<Double>(results[0].shape, repeating: 0)
    let outer = results[0].shape.extents[..<dimension].reduce(1, *)
    var position = 0
    for row in 0..<outer {
      for operand in operands {
        let length = operand.shape.elementCount / outer
        for offset in 0..<length {
          result.values[position] = operand.values[row * length + offset]
          position += 1
        }
      }
    }
    return [result]
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    .concatenation(dimension: dimension)
  }

  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    let extents = builder.shape(of: call.results[0]).extents
    var start = [Int](repeating: 0, count: extents.count)
    var limit = extents
    limit[dimension] = 0
    var gradients: [ValueID?] = []
    for (operand, isWanted) in zip(call.operands, call.wanted) {
      start[dimension] = limit[dimension]
      limit[dimension] += builder.shape(of: operand)[dimension]
      gradients.append(
        isWanted ? try builder.apply(Slice(start: start, limit: limit), call.cotangent) : nil)
    }
    return gradients
  }

  public static var samples: [OperationSample] {
    [
      OperationSample(
        Concatenate(dimension: 1), [.sample([2, 3, 4]), .sample([2, 1, 4]), .sample([2, 2, 4])],
        refused: [
          [.sample([2, 3]), .sample([3, 3])], [], [.sample([2])],
          [.sample([2, 3]), .sample([2, 3], .f64)],
        ]),
      OperationSample(Concatenate(dimension: 0), [.sample([2, 3], .f64), .sample([1, 3], .f64)]),
    ]
  }
}
