import GraphIR
import Operations
import Tensors
import Testing

@testable import ONNX

/// Products of matrices and vectors, of known values.
@Suite struct MatrixTests {
  /// A vector is a row on the left and a column on the right; batches are repeated on both sides.
  @Test func productsOfVectorsAndBatches() throws {
    let column = Onnx_TensorProto("c", [3], floats: [1, 0, 2])
    #expect(try result("MatMul", try counted([2, 3]), [], [column]) == tensor([2], [7, 16]))
    let square = Onnx_TensorProto("s", [3, 2], floats: [1, 0, 0, 1, 1, 1])
    #expect(try result("MatMul", try counted([3]), [], [square]) == tensor([2], [4, 5]))
    #expect(try result("MatMul", try counted([3]), [], [column]) == tensor([], [7]))
    let batch = Onnx_TensorProto("b", [2, 3, 1], floats: [1, 0, 0, 0, 0, 2])
    #expect(
      try result("MatMul", try counted([1, 3]), [], [batch]) == tensor([2, 1, 1], [1, 6]))
    #expect(try result("MatMul", try counted([3]), [], [batch]) == tensor([2, 1], [1, 6]))
    let three = Onnx_TensorProto("t", [3, 2, 1], floats: [1, 0, 0, 0, 0, 2])
    #expect(throws: (any Error).self) {
      try result("MatMul", try counted([2, 1, 2]), [], [three])
    }
  }

  private func einsum(
    _ equation: String, _ x: [Int], _ other: Onnx_TensorProto?
  ) throws -> Tensor<Double> {
    try result(
      "Einsum", try counted(x), [.init("equation", word: equation)], other.map { [$0] } ?? [])
  }

  @Test func einsteinSums() throws {
    let w = Onnx_TensorProto("w", [2, 3], floats: [1, 0, 0, 0, 1, 2])
    #expect(try einsum("ij,kj->ik", [1, 3], w) == tensor([1, 2], [1, 8]))
    #expect(try einsum("ij, kj -> ki", [1, 3], w) == tensor([2, 1], [1, 8]))
    #expect(try einsum("bj,bj->b", [2, 3], w) == tensor([2], [1, 17]))
    #expect(try einsum("ij,kj", [1, 3], w) == tensor([1, 2], [1, 8]))
    #expect(try einsum("ij,kl->k", [1, 3], w) == tensor([2], [6, 18]))
    #expect(try einsum("ij->ji", [2, 2], nil) == tensor([2, 2], [1, 3, 2, 4]))
    #expect(try einsum("ij->", [2, 2], nil) == tensor([], [10]))
    for wrong in ["ii->i", "ij->ik", "...j->j", "i->i", "ij,jk", ""] {
      #expect(throws: (any Error).self, "\(wrong)") { try einsum(wrong, [2, 2], nil) }
    }
  }
}
