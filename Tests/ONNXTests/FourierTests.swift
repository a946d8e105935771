import Tensors
import Testing

@testable import ONNX

/// Fourier transforms of numbers as pairs of real and imaginary part.
@Suite struct FourierTests {
  private func isClose(_ a: Tensor<Double>, _ b: Tensor<Double>) -> Bool {
    a.shape == b.shape && zip(a.values, b.values).allSatisfy { abs($0 - $1) < 1e-12 }
  }

  @Test func realAndComplexNumbers() throws {
    let impulse = try tensor([1, 4, 1], [1, 0, 0, 0])
    let flat = try tensor([1, 4, 2], [1, 0, 1, 0, 1, 0, 1, 0])
    #expect(isClose(try result("DFT", impulse, operatorSet: 17), flat))
    let axis = Onnx_TensorProto("axis", integer: -2)
    #expect(isClose(try result("DFT", impulse, [], [leftOut, axis], operatorSet: 20), flat))
    let back = try result("DFT", flat, [.init("inverse", 1)], operatorSet: 20)
    #expect(isClose(back, try tensor([1, 4, 2], [1, 0, 0, 0, 0, 0, 0, 0])))
    let half = try result("DFT", impulse, [.init("onesided", 1)], operatorSet: 17)
    #expect(isClose(half, try tensor([1, 3, 2], [1, 0, 1, 0, 1, 0])))
  }

  /// exp(2 pi i j / 4), which is one point of the spectrum.
  @Test func everyDimension() throws {
    let wave = [1.0, 0, 0, 1, -1, 0, 0, -1]
    let spectrum = [0.0, 0, 4, 0, 0, 0, 0, 0]
    for extents in [[4, 2], [1, 4, 2], [1, 4, 1, 2], [4, 1, 1, 2]] {
      let axis = extents.firstIndex(of: 4) ?? 0
      let found = try result(
        "DFT", try tensor(extents, wave), [.init("axis", axis)], operatorSet: 17)
      #expect(isClose(found, try tensor(extents, spectrum)), "\(extents)")
    }
  }

  @Test func lengthsPadAndCut() throws {
    let x = try tensor([1, 3, 1], [1, 2, 4])
    let two = Onnx_TensorProto("n", integer: 2)
    let four = Onnx_TensorProto("n", integer: 4)
    #expect(
      isClose(
        try result("DFT", x, [], [two], operatorSet: 17), try tensor([1, 2, 2], [3, 0, -1, 0])))
    #expect(
      isClose(
        try result("DFT", x, [], [four], operatorSet: 17),
        try tensor([1, 4, 2], [7, 0, -3, -2, 3, 0, -3, 2])))
  }

  @Test func whatCannotBeIsRefused() throws {
    func said(_ x: [Int], _ attributes: [Onnx_AttributeProto]) -> String {
      let node = Onnx_NodeProto("DFT", ["x"], ["y"], attributes)
      return failure(Onnx_ModelProto([node], x: x, operatorSet: 17))?.message ?? ""
    }
    #expect(said([1, 4, 3], []).contains("neither 1 (real) nor 2"))
    #expect(said([1, 4, 2], [.init("axis", 2)]).contains("along the last dimension"))
    #expect(said([1, 4, 2], [.init("onesided", 1)]).contains("onesided = 1"))
    #expect(said([1, 2000, 2], []).contains("transforms 2000 points"))
  }
}
