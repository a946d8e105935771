import Diagnostics
import Tensors
import Testing

@testable import ONNX

/// Operators that look at neighbouring pixels.
@Suite struct ImageTests {
  private func kernel(_ dims: [Int], _ values: [Float]) -> Onnx_TensorProto {
    .init("k", dims, floats: values)
  }

  private func ones(_ dims: [Int]) -> Onnx_TensorProto {
    kernel(dims, [Float](repeating: 1, count: dims.reduce(1, *)))
  }

  @Test func convolutionWithStridesBordersAndBias() throws {
    let x = try counted([1, 1, 3, 3])
    let y = try result(
      "Conv", x, [.init("pads", [1, 0, 0, 1]), .init("strides", [1, 2])],
      [kernel([1, 1, 2, 2], [1, 0, 0, 10]), .init("b", [1], floats: [0.5])])
    // Windows at rows -1, 0, 1 and columns 0, 2.
    #expect(y == (try tensor([1, 1, 3, 2], [20.5, 0.5, 51.5, 3.5, 84.5, 6.5])))
  }

  @Test(arguments: [
    ("SAME_UPPER", [12.0, 9, 15, 9]), ("SAME_LOWER", [1, 5, 11, 28]), ("VALID", [12]),
  ])
  func automaticBorders(_ mode: String, _ expected: [Double]) throws {
    let x = try counted([1, 1, 3, 3])
    let y = try result(
      "Conv", x, [.init("auto_pad", word: mode), .init("strides", [2, 2])], [ones([1, 1, 2, 2])])
    #expect(y.values == expected)
  }

  @Test func convolutionWithDilationsAndGroups() throws {
    let x = try counted([1, 1, 3, 3])
    let dilated = try result("Conv", x, [.init("dilations", [2, 2])], [ones([1, 1, 2, 2])])
    #expect(dilated.values == [1 + 3 + 7 + 9])
    let channels = try counted([1, 4, 1, 1])
    let grouped = try result(
      "Conv", channels, [.init("group", 2)],
      [kernel([2, 2, 1, 1], [1, 10, 2, 20]), .init("b", [2], floats: [0, 100])])
    #expect(grouped == (try tensor([1, 2, 1, 1], [21, 186])))
  }

  @Test func convolutionOfSeventyGroups() throws {
    let x = try counted([1, 70, 1, 1])
    let weights = (0..<70).map { Float($0 % 3) }
    let y = try result("Conv", x, [.init("group", 70)], [kernel([70, 1, 1, 1], weights)])
    let expected = (0..<70).map { (channel: Int) -> Double in Double((channel + 1) * (channel % 3))
    }
    #expect(y.values == expected)
  }

  @Test func transposedConvolution() throws {
    let x = try counted([1, 1, 2, 2])
    let k = kernel([1, 1, 2, 2], [1, 2, 3, 4])
    let spread = try result("ConvTranspose", x, [.init("strides", [2, 2])], [k])
    #expect(spread.shape.extents == [1, 1, 4, 4])
    #expect(spread.values == [1, 2, 2, 4, 3, 4, 6, 8, 3, 6, 4, 8, 9, 12, 12, 16])
    let overlapping = try result(
      "ConvTranspose", x, [.init("output_padding", [1, 0]), .init("strides", [2, 1])],
      [k, .init("b", [1], floats: [100])])
    #expect(
      overlapping.values == [
        101, 104, 104, 103, 110, 108, 103, 110, 108, 109, 124, 116, 100, 100, 100,
      ])
    let cut = try result("ConvTranspose", x, [.init("pads", [1, 0, 0, 1])], [k])
    // All of it is [[1, 4, 4], [6, 20, 16], [9, 24, 16]].
    #expect(cut == (try tensor([1, 1, 2, 2], [6, 20, 9, 24])))
  }

  @Test func transposedConvolutionOfAGivenSize() throws {
    let x = try counted([1, 1, 1, 2])
    let k = kernel([1, 2, 1, 3], [1, 2, 3, 4, 5, 6])
    let y = try result("ConvTranspose", x, [.init("output_shape", [1, 3])], [k])
    // Of [1, 4, 7, 6] and [4, 13, 16, 12] one column goes, before the first.
    #expect(y == (try tensor([1, 2, 1, 3], [4, 7, 6, 13, 16, 12])))
    let same = try result(
      "ConvTranspose", x, [.init("auto_pad", word: "SAME_UPPER")], [k])
    #expect(same == (try tensor([1, 2, 1, 2], [4, 7, 13, 16])))
  }

  @Test func transposedConvolutionWithGroups() throws {
    let x = try counted([1, 2, 1, 1])
    let y = try result(
      "ConvTranspose", x, [.init("group", 2)],
      [kernel([2, 1, 1, 2], [1, 2, 3, 4]), .init("b", [2], floats: [0, 1])])
    #expect(y == (try tensor([1, 2, 1, 2], [1, 2, 7, 9])))
  }

  @Test func maximumPooling() throws {
    let x = try tensor([1, 1, 3, 3], [-1, -2, -3, -4, -5, -6, -7, -8, -9])
    let window = Onnx_AttributeProto("kernel_shape", [2, 2])
    let strides = Onnx_AttributeProto("strides", [2, 2])
    #expect(try result("MaxPool", x, [window]).values == [-1, -2, -4, -5])
    #expect(
      try result("MaxPool", x, [window, strides, .init("pads", [1, 1, 0, 0])]).values
        == [-1, -2, -4, -5])
    #expect(
      try result("MaxPool", x, [window, strides, .init("ceil_mode", 1)]).values
        == [-1, -3, -7, -9])
    #expect(try result("GlobalMaxPool", x).values == [-1])
  }

  @Test func averagePooling() throws {
    let x = try counted([1, 1, 3, 3])
    let window = Onnx_AttributeProto("kernel_shape", [2, 2])
    let common = [window, Onnx_AttributeProto("strides", [2, 2])]
    let pads = Onnx_AttributeProto("pads", [1, 1, 0, 0])
    #expect(try result("AveragePool", x, [window]).values == [3, 4, 6, 7])
    #expect(try result("AveragePool", x, common + [pads]).values == [1, 2.5, 5.5, 7])
    #expect(
      try result("AveragePool", x, common + [pads, .init("count_include_pad", 1)]).values
        == [0.25, 1.25, 2.75, 7])
    #expect(
      try result("AveragePool", x, common + [.init("ceil_mode", 1)]).values == [3, 4.5, 7.5, 9])
    #expect(try result("GlobalAveragePool", x) == (try tensor([1, 1, 1, 1], [5])))
  }

  @Test func borders() throws {
    let x = try counted([1, 1, 1, 3])
    let pads = Onnx_TensorProto("p", integers: [0, 0, 0, 2, 0, 0, 0, -1])
    #expect(try result("Pad", x, [], [pads]).values == [0, 0, 1, 2])
    let seven = Onnx_TensorProto("v", [], floats: [7])
    #expect(try result("Pad", x, [], [pads, seven]).values == [7, 7, 1, 2])
    let columns = [
      Onnx_TensorProto("p", integers: [2, 1]), leftOut, Onnx_TensorProto("a", integers: [-1]),
    ]
    #expect(
      try result("Pad", x, [.init("mode", word: "reflect")], columns).values == [3, 2, 1, 2, 3, 2])
    #expect(
      try result("Pad", x, [.init("mode", word: "edge")], columns).values == [1, 1, 1, 2, 3, 3])
    #expect(
      try result(
        "Pad", x, [.init("pads", [0, 0, 1, 0, 0, 0, 0, 0]), .init("value", real: 2)],
        operatorSet: 10) == (try tensor([1, 1, 2, 3], [2, 2, 2, 1, 2, 3])))
  }

  @Test func enlargement() throws {
    let x = try counted([1, 1, 1, 2])
    let factors = Onnx_TensorProto("f", [4], floats: [1, 1, 2, 3])
    let expected = try tensor([1, 1, 2, 6], [1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2])
    #expect(try result("Upsample", x, [], [factors], operatorSet: 9) == expected)
    #expect(try result("Resize", x, [], [factors], operatorSet: 10) == expected)
    #expect(try result("Resize", x, [], [leftOut, factors]) == expected)
    let sizes = Onnx_TensorProto("s", integers: [1, 1, 2, 6])
    let legacy = [
      Onnx_AttributeProto("coordinate_transformation_mode", word: "asymmetric"),
      Onnx_AttributeProto("nearest_mode", word: "floor"),
    ]
    #expect(try result("Resize", x, legacy, [leftOut, leftOut, sizes]) == expected)
    #expect(
      try result(
        "Resize", x, legacy + [.init("axes", [3, 2])],
        [leftOut, .init("f", [2], floats: [3, 2])]) == expected)
  }

  @Test func resizingToAnySize() throws {
    let x = try tensor([1, 1, 1, 4], [1, 2, 3, 4])
    func row(_ size: Int, _ attributes: [Onnx_AttributeProto]) throws -> [Double] {
      let sizes = Onnx_TensorProto("s", integers: [1, 1, 1, size])
      return try result("Resize", x, attributes, [leftOut, leftOut, sizes]).values
    }
    let asymmetric = Onnx_AttributeProto("coordinate_transformation_mode", word: "asymmetric")
    #expect(
      try row(7, [asymmetric, .init("nearest_mode", word: "floor")]) == [1, 1, 2, 2, 3, 3, 4])
    #expect(try row(2, [asymmetric]) == [1, 3])
    // By hand, with a = -0.75: shares of -0.10546875, 0.87890625, 0.26171875 and -0.03515625.
    let cubic = try row(8, [.init("mode", word: "cubic")])
    #expect(abs(cubic[3] - 2.296875) < 1e-6)
  }

  @Test func resizingRefusesWhatDoesNotFit() throws {
    let x = try counted([1, 1, 2, 2])
    let factors = Onnx_TensorProto("f", [4], floats: [1, 1, 2, 2])
    let sizes = Onnx_TensorProto("s", integers: [1, 1, 4, 4])
    let pair = Onnx_TensorProto("s", integers: [4, 4])
    #expect(throws: Diagnostic.self) { try result("Resize", x, [], [leftOut, factors, sizes]) }
    #expect(throws: Diagnostic.self) { try result("Resize", x, [], [leftOut, leftOut, pair]) }
    for axes in [[2, 3], [2, 2, 3, 3], [2, 2]] {
      let inputs = [leftOut, leftOut, axes == [2, 2] ? pair : sizes]
      #expect(throws: Diagnostic.self) { try result("Resize", x, [.init("axes", axes)], inputs) }
    }
  }

  @Test func bilinearEnlargement() throws {
    let x = try tensor([1, 1, 1, 2], [0, 8])
    func row(_ mode: String?, _ factor: Float) throws -> [Double] {
      let mode = mode.map { [Onnx_AttributeProto("coordinate_transformation_mode", word: $0)] }
      let factors = Onnx_TensorProto("f", [4], floats: [1, 1, 2, factor])
      let y = try result(
        "Resize", x, [.init("mode", word: "linear")] + (mode ?? []), [leftOut, factors])
      #expect(y.values[..<(y.values.count / 2)] == y.values[(y.values.count / 2)...])
      return Array(y.values[..<(y.values.count / 2)])
    }
    #expect(try row(nil, 2) == [0, 2, 6, 8])
    #expect(try row("half_pixel_symmetric", 2) == [0, 2, 6, 8])
    #expect(try row("align_corners", 1.5) == [0, 4, 8])
    #expect(try row("asymmetric", 2) == [0, 4, 8, 8])
    #expect(try row("half_pixel", 0.5) == [4])
    #expect(try row("pytorch_half_pixel", 0.5) == [0])
    // The places -0.12 and 0.65 of two pixels, of 2.6.
    let parts = try row("half_pixel", 1.3)
    #expect(parts.count == 2 && parts[0] == 0 && abs(parts[1] - 8 * (1.5 / 1.3 - 0.5)) < 1e-6)
    #expect(throws: Diagnostic.self) { try row("half_pixel_symmetric", 1.3) }
    #expect(throws: Diagnostic.self) { try row("tf_crop_and_resize", 2) }
  }
}
