import GraphIR
import Tensors

extension DotGeneral {
  /// `lhs` times `rhs` over the last dimension of one and the first of the other: of matrices, their product.
  public static func product(_ lhs: Shape) -> DotGeneral {
    DotGeneral(Side(contracting: [lhs.rank - 1]), Side(contracting: [0]))
  }

  public static var samples: [OperationSample] {
    let matrices = DotGeneral(Side(contracting: [1]), Side(contracting: [0]))
    let a = TensorType.sample([5, 7])
    return [
      OperationSample(
        matrices, [a, .sample([7, 3])],
        refused: [
          [a, .sample([5, 3])], [a], [a, .sample([7, 3], .f64)], [a, .sample([])],
          [.sample([5, 7], .i32), .sample([7, 3], .i32)], [a, a, a],
        ]),
      OperationSample(
        DotGeneral(
          Side(batching: [0], contracting: [2]), Side(batching: [0], contracting: [2])),
        [.sample([3, 37, 24]), .sample([3, 35, 24])],
        refused: [[.sample([3, 4, 5]), .sample([2, 4, 5])]]),
      OperationSample(
        DotGeneral(
          Side(batching: [0, 2], contracting: [3]), Side(batching: [0, 1], contracting: [2])),
        [.sample([2, 19, 3, 40]), .sample([2, 3, 40, 33])]),
    ] + smallSamples + refusedSamples
  }

  /// Vectors, several dimensions of a kind in any order, none of some kind.
  private static var smallSamples: [OperationSample] {
    [
      OperationSample(
        DotGeneral(
          Side(batching: [2, 0], contracting: [1, 3]), Side(batching: [0, 3], contracting: [2, 1])),
        [.sample([2, 3, 4, 2, 5], .f64), .sample([4, 2, 3, 2], .f64)]),
      OperationSample(
        DotGeneral(Side(contracting: [0]), Side(contracting: [1])),
        [.sample([130]), .sample([21, 130])]),
      OperationSample(
        DotGeneral(Side(contracting: [1]), Side(contracting: [0])),
        [.sample([48, 130]), .sample([130])]),
      OperationSample(
        DotGeneral(Side(contracting: [0]), Side(contracting: [0])), [.sample([9]), .sample([9])]),
      OperationSample(
        DotGeneral(Side(contracting: []), Side(contracting: [])),
        [.sample([4], .f64), .sample([3], .f64)]),
    ]
  }

  /// Attributes that fit no operands, or not these.
  private static var refusedSamples: [OperationSample] {
    [
      OperationSample(
        DotGeneral(Side(batching: [0], contracting: [1]), Side(batching: [0], contracting: [1])),
        [.sample([6, 20]), .sample([6, 20])],
        refused: [[.sample([6]), .sample([6])], [.sample([6, 20]), .sample([20, 6])]])
    ]
  }
}
