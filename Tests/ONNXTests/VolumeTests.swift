import GraphIR
import Operations
import Tensors
import Testing

@testable import ONNX

/// Operators on volumes [N, C, D, H, W] and lines [N, C, W], by values that follow from their definitions.
@Suite struct VolumeTests {
  private func kernel(_ dims: [Int], _ values: [Float]) -> Onnx_TensorProto {
    .init("k", dims, floats: values)
  }

  @Test func aConvolutionLooksAtSlices() throws {
    let x = try tensor([1, 1, 3, 1, 2], [1, 2, 3, 4, 5, 6])
    let y = try result(
      "Conv", x, [.init("pads", [1, 0, 0, 0, 0, 0])],
      [kernel([2, 1, 2, 1, 1], [10, 1, 1, 0]), .init("b", [2], floats: [0, 100])])
    // 10 times the slice before and the slice; the slice before and 100.
    #expect(
      y == (try tensor([1, 2, 3, 1, 2], [1, 2, 13, 24, 35, 46, 100, 100, 101, 102, 103, 104])))
  }

  @Test func eachVolumeOfABatchHasBordersOfItsOwn() throws {
    let x = try tensor([2, 1, 2, 1, 1], [1, 2, 3, 4])
    let y = try result(
      "Conv", x, [.init("pads", [1, 0, 0, 1, 0, 0])], [kernel([1, 1, 3, 1, 1], [100, 10, 1])])
    #expect(y == (try tensor([2, 1, 2, 1, 1], [12, 120, 34, 340])))
  }

  @Test func groupsHaveSlicesOfTheirOwn() throws {
    let x = try tensor([1, 2, 2, 1, 1], [1, 2, 3, 4])
    let y = try result(
      "Conv", x, [.init("group", 2)], [kernel([2, 1, 2, 1, 1], [10, 1, 100, 1])])
    #expect(y == (try tensor([1, 2, 1, 1, 1], [12, 304])))
  }

  @Test func aTransposedConvolutionSpreadsSlices() throws {
    let x = try tensor([1, 1, 2, 1, 1], [1, 2])
    let k = kernel([1, 1, 3, 1, 1], [1, 10, 100])
    let bias = Onnx_TensorProto("b", [1], floats: [1000])
    let y = try result("ConvTranspose", x, [.init("strides", [2, 1, 1])], [k, bias])
    #expect(y.values == [1001, 1010, 1102, 1020, 1200])
    let cut = try result(
      "ConvTranspose", x,
      [
        .init("strides", [2, 1, 1]), .init("pads", [1, 0, 0, 1, 0, 0]),
        .init("output_padding", [1, 0, 0]),
      ], [k])
    #expect(cut.values == [10, 102, 20, 200])
  }

  @Test func poolingOfSlices() throws {
    let x = try tensor([1, 1, 3, 1, 2], [1, 6, 3, 4, 5, 2])
    let window: [Onnx_AttributeProto] = [
      .init("kernel_shape", [2, 1, 1]), .init("pads", [1, 0, 0, 0, 0, 0]),
    ]
    #expect(try result("MaxPool", x, window).values == [1, 6, 3, 6, 5, 4])
    #expect(try result("AveragePool", x, window).values == [1, 6, 2, 5, 4, 3])
    #expect(try result("GlobalAveragePool", x) == (try tensor([1, 1, 1, 1, 1], [3.5])))
    #expect(try result("GlobalMaxPool", x) == (try tensor([1, 1, 1, 1, 1], [6])))
  }

  @Test func normalizationOverAllSlices() throws {
    let x = try tensor([1, 2, 2, 1, 1], [1, 3, 10, 30])
    let parameters = ["s", "o"].map { Onnx_TensorProto($0, [2], floats: [1, $0 == "s" ? 2 : 5]) }
    let y = try result("InstanceNormalization", x, [.init("epsilon", real: 0)], parameters)
    #expect(zip(y.values, [0.0, 2, 3, 7]).allSatisfy { abs($0 - $1) < 1e-9 })
  }

  @Test func slicesAreRepeatedOrInterpolated() throws {
    let x = try tensor([1, 1, 2, 1, 1], [2, 6])
    let scales = Onnx_TensorProto("s", [5], floats: [1, 1, 2, 1, 1])
    let none = leftOut
    #expect(try result("Resize", x, [], [none, scales]).values == [2, 2, 6, 6])
    let linear = try result("Resize", x, [.init("mode", word: "linear")], [none, scales])
    #expect(linear.values == [2, 3, 5, 6])
  }

  @Test func linesAreImagesOfOneRow() throws {
    let x = try tensor([1, 1, 4], [1, 2, 3, 4])
    let y = try result(
      "Conv", x, [.init("pads", [1, 0]), .init("strides", [2])], [kernel([1, 1, 2], [10, 1])])
    #expect(y == (try tensor([1, 1, 2], [1, 23])))
    let pooled = try result("MaxPool", x, [.init("kernel_shape", [2]), .init("strides", [2])])
    #expect(pooled == (try tensor([1, 1, 2], [2, 4])))
  }

  /// Between two convolutions: elementwise operators with numbers, channels' numbers, another volume and a mask, a border,
  /// a part, channels side by side, and group normalization as exporters write it.
  @Test func nothingIsMovedBetweenConvolutions() throws {
    let operators: [Onnx_NodeProto] = [
      .init("Conv", ["x", "k"], ["a"]), .init("Relu", ["a"], ["b"]),
      .init("Mul", ["b", "channels"], ["c"]), .init("Add", ["c", "a"], ["d"]),
      .init("PRelu", ["d", "slopes"], ["e"]), .init("Pad", ["e", "border"], ["f"]),
      .init("Slice", ["f", "start", "end", "axes"], ["g"]),
      .init("Concat", ["g", "b"], ["h"], [.init("axis", -4)]),
      .init("Reshape", ["h", "groups"], ["i"]),
      .init("InstanceNormalization", ["i", "ones", "zeros"], ["j"]),
      .init("Shape", ["h"], ["shape"]), .init("Reshape", ["j", "shape"], ["l"]),
      .init("BatchNormalization", ["l", "c4", "c4", "c4", "c4"], ["m"]),
      .init("MaxPool", ["m"], ["n"], [.init("kernel_shape", [2, 2, 2])]),
      .init("Conv", ["n", "k4"], ["y"]),
    ]
    let model = Onnx_ModelProto(
      operators, x: [1, 1, 4, 4, 4],
      [
        kernel([2, 1, 1, 1, 1], [1, -1]), .init("channels", [2, 1, 1, 1], floats: [2, 3]),
        .init("slopes", [1, 2, 1, 1, 1], floats: [0.5, 0.25]),
        .init("border", integers: [0, 0, 1, 0, 2, 0, 0, 1, 0, 0]),
        .init("start", integers: [1, 2]),
        .init("end", integers: [5, 6]), .init("axes", integers: [2, 4]),
        .init("groups", integers: [0, 2, -1]), .init("ones", [2], floats: [1, 1]),
        .init("zeros", [2], floats: [0, 0]), .init("c4", [4], floats: [1, 2, 3, 4]),
        .init("k4", [1, 4, 1, 1, 1], floats: [1, 2, 3, 4]),
      ])
    let function = try model.imported().function
    let moved = function.nodes.filter { $0.operation is Transpose }
    #expect(moved.isEmpty)
    #expect(function.type(of: function.results[0]).shape.extents == [1, 1, 3, 3, 3])
  }

  @Test func theSizeOfVolumesIsAskedFor() throws {
    let model = Onnx_ModelProto([.init("Relu", ["x"])], x: [0, 1, 0, 0, 0])
    #expect(failure(model)?.message.contains("dimension 2") == true)
    let known = try model.imported(.init(batch: 2, slices: 3, height: 4, width: 5)).function
    #expect(known.type(of: known.results[0]).shape.extents == [2, 1, 3, 4, 5])
    let image = Onnx_ModelProto([.init("Relu", ["x"])], x: [0, 1, 0, 0])
    #expect(throws: (any Error).self) { _ = try image.imported(.init(slices: 3)) }
  }

  @Test func anEmptyListOfZerosIsAList() throws {
    let model = Onnx_ModelProto(
      [
        .init(
          "ConstantOfShape", ["none"], ["list"], [.init("value", tensor: .init("", integers: [0]))]),
        .init("Concat", ["pads", "list"], ["all"], [.init("axis", 0)]),
        .init("Pad", ["x", "all"], ["y"]),
      ], x: [1, 2], [.init("none", integers: [0]), .init("pads", integers: [0, 1, 0, 0])])
    let y = try model.outputs(try tensor([1, 2], [7, 8]))
    #expect(y.first?.values == [0, 7, 8])
  }

  @Test func aKernelOfMoreSlicesThanThereAreIsRefused() throws {
    let model = Onnx_ModelProto(
      [.init("Conv", ["x", "k"])], x: [1, 1, 2, 4, 4], [kernel([1, 1, 3, 1, 1], [1, 1, 1])])
    #expect(failure(model)?.message.contains("window of 3") == true)
    let plane = Onnx_ModelProto(
      [.init("Conv", ["x", "k"])], x: [1, 1, 2, 4, 4], [kernel([1, 1, 1, 1], [1])])
    #expect(failure(plane)?.message.contains("kernel") == true)
  }
}
