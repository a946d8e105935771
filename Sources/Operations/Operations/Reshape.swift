import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// The same elements in another shape.
public struct Reshape: TensorOperation {
  public static let mnemonic = "reshape"
  public static let summary =
    "The same elements, in row-major order, in the declared shape, which has as many."

  public var shape: Shape
  public var isExact: Bool { true }

  public init(_ shape: Shape) { self.shape = shape }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    shape = try reader.declaredType().shape
  }

  public var attributes: [Attribute] { [] }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 1...1, mnemonic)
    try Require.float(operands, mnemonic)
    guard operands[0].shape.elementCount == shape.elementCount else {
      throw Diagnostic("\(operands[0]) has not as many elements as the shape \(shape)")
    }
    return [TensorType(shape, operands[0].element)]
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    var result = Tensor<Double>(shape, repeating: 0)
    result.values = operands[0].values
    return [result]
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    let blocks = Self.blocks(operands[0].shape, shape)
    let rank = operands[0].shape.rank
    return .pointwise { index, operand in
      var place = [Expression](repeating: .integer(0), count: rank)
      for block in blocks { block.place(index, in: &place) }
      return operand(0, place)
    }
  }

  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    [try builder.apply(Reshape(builder.shape(of: call.operands[0])), call.cotangent)]
  }

  public static var samples: [OperationSample] {
    let x = TensorType.sample([2, 2, 3, 4])
    return [
      ([2, 6, 1, 4], x), ([2, 2, 3, 4], .sample([2, 6, 1, 4])), ([6, 1, 8], x),
      ([3, 16], .sample([4, 2, 6], .f64)), ([], .sample([1, 1])), ([1, 1, 5], .sample([5])),
    ].compactMap { extents, operand in
      (try? Shape(extents)).map { shape in
        OperationSample(
          Reshape(shape), [operand],
          refused: [[.sample([7])], [operand, operand], [], [TensorType(operand.shape, .i32)]])
      }
    }
  }
}

// MARK: Places

extension Reshape {
  /// Neighbouring dimensions of the operand and of the result that hold the same elements in the same order.
  ///
  /// Extents of 1 belong to no block: their index is always 0.
  private struct Block {
    typealias Dimension = (number: Int, extent: Int)
    var source: [Dimension] = []
    var result: [Dimension] = []

    /// Fills in the operand's index, by quotients and remainders only where the block has several dimensions there.
    func place(_ index: [Expression], in place: inout [Expression]) {
      var position: Expression?
      for (number, extent) in result {
        let last = index[number]
        position = position.map { $0 * .integer(extent) + last } ?? last
      }
      guard var rest = position else { return }
      for (number, extent) in source.dropFirst().reversed() {
        place[number] = .binary(.remainder, rest, .integer(extent))
        rest = .binary(.divide, rest, .integer(extent))
      }
      if let first = source.first { place[first.number] = rest }
    }
  }

  /// The smallest blocks of two shapes with equally many elements.
  private static func blocks(_ source: Shape, _ result: Shape) -> [Block] {
    func large(_ shape: Shape) -> [Block.Dimension] {
      shape.extents.enumerated().map { ($0.offset, $0.element) }.filter { $0.1 > 1 }
    }
    func count(_ dimensions: [Block.Dimension]) -> Int { dimensions.reduce(1) { $0 * $1.extent } }
    var (left, right) = (large(source)[...], large(result)[...])
    var blocks: [Block] = []
    while !left.isEmpty || !right.isEmpty {
      var block = Block()
      repeat {
        if count(block.source) <= count(block.result), let next = left.popFirst() {
          block.source.append(next)
        } else if let next = right.popFirst() {
          block.result.append(next)
        }
      } while count(block.source) != count(block.result)
      blocks.append(block)
    }
    return blocks
  }
}
