import GraphIR
import Tensors
import Testing

@testable import ONNX

/// Operators that move elements, and those that only compute shapes.
@Suite struct LayoutTests {
  @Test func slices() throws {
    let x = try counted([1, 2, 4])
    func list(_ name: String, _ values: [Int]) -> Onnx_TensorProto { .init(name, integers: values) }
    let negative = [list("s", [-1]), list("e", [-100]), list("a", [2]), list("t", [-2])]
    #expect(try result("Slice", x, [], negative) == (try tensor([1, 2, 2], [4, 2, 8, 6])))
    let open = [
      list("s", [1, 1]), list("e", [.max, .max]), list("a", [1, -1]), list("t", [1, 2]),
    ]
    #expect(try result("Slice", x, [], open) == (try tensor([1, 1, 2], [6, 8])))
    #expect(
      try result(
        "Slice", x, [.init("starts", [0, 1]), .init("ends", [1, -1]), .init("axes", [0, 2])],
        operatorSet: 9) == (try tensor([1, 2, 2], [2, 3, 6, 7])))
  }

  @Test func splitAndConcat() throws {
    let x = try counted([1, 5])
    let nodes: [Onnx_NodeProto] = [
      .init("Split", ["x", "sizes"], ["a", "b"], [.init("axis", 1)]),
      .init("Concat", ["b", "a"], ["y"], [.init("axis", -1)]),
    ]
    let model = Onnx_ModelProto(nodes, x: [1, 5], [.init("sizes", integers: [2, 3])])
    #expect(try model.outputs(x)[0].values == [3, 4, 5, 1, 2])
    var equal = model
    equal.graph.node[0].input = ["x"]
    #expect(try equal.outputs(x)[0].values == [4, 5, 1, 2, 3])
    equal.graph.node[0].attribute.append(.init("split", [1, 4]))
    equal.opsetImport[0].version = 11
    #expect(try equal.outputs(x)[0].values == [2, 3, 4, 5, 1])
  }

  @Test func copiesBesideEachOther() throws {
    let repeats = Onnx_TensorProto("r", integers: [2, 2])
    #expect(
      try result("Tile", try counted([1, 2]), [], [repeats])
        == (try tensor([2, 4], [1, 2, 1, 2, 1, 2, 1, 2])))
    let short = Onnx_ModelProto(
      [.init("Tile", ["x", "r"])], x: [1, 2], [.init("r", integers: [2])])
    #expect(failure(short)?.message.contains("repeats") == true)
  }

  /// Sizes that are counted, split and repeated before the network runs.
  @Test func numbersThatAreCounted() throws {
    let nodes: [Onnx_NodeProto] = [
      .init("Shape", ["x"], ["sizes"]), .init("Size", ["sizes"], ["rank"]),
      .init("Range", ["zero", "rank", "one"], ["places"]),
      .init("Gather", ["sizes", "places"], ["same"]),
      .init("Split", ["same", "parts"], ["a", "b"]), .init("Concat", ["b", "a"], ["turned"]),
      .init("Reshape", ["x", "turned"]),
    ]
    var model = Onnx_ModelProto(
      nodes, x: [2, 3],
      [
        .init("zero", integer: 0), .init("one", integer: 1), .init("parts", integers: [1, 1]),
      ])
    model.graph.node[5].attribute = [.init("axis", 0)]
    #expect(try model.outputs(try counted([2, 3]))[0] == counted([3, 2]))
    model.graph.initializer[1] = .init("one", integer: 0)
    #expect(failure(model)?.message.contains("in steps of 0") == true)
  }

  @Test func dimensions() throws {
    let x = try counted([1, 2, 3])
    #expect(try result("Transpose", x) == (try tensor([3, 2, 1], [1, 4, 2, 5, 3, 6])))
    #expect(
      try result("Transpose", x, [.init("perm", [1, 0, 2])]) == (try counted([2, 1, 3])))
    #expect(try result("Squeeze", x) == (try counted([2, 3])))
    #expect(try result("Squeeze", try counted([1, 2, 1, 3])) == (try counted([2, 3])))
    let third = Onnx_TensorProto("third", integers: [2])
    #expect(try result("Squeeze", try counted([1, 2, 1, 3]), [], [third]) == x)
    let axes = Onnx_TensorProto("axes", integers: [-1, 0])
    #expect(try result("Unsqueeze", x, [], [axes]) == (try counted([1, 1, 2, 3, 1])))
    #expect(
      try result("Unsqueeze", x, [.init("axes", [1])], operatorSet: 11)
        == (try counted([1, 1, 2, 3])))
    #expect(try result("Flatten", try counted([2, 3, 1, 1])) == (try counted([2, 3])))
    let shape = Onnx_TensorProto("shape", integers: [0, 1, -1, 3])
    #expect(try result("Reshape", x, [], [shape]) == (try counted([1, 1, 2, 3])))
    let wide = Onnx_TensorProto("wide", integers: [2, 1, 1])
    #expect(
      try result("Expand", try counted([1, 2]), [], [wide])
        == (try tensor([2, 1, 2], [1, 2, 1, 2])))
  }

  @Test func gatherTakesIndices() throws {
    let x = try counted([1, 2, 3])
    let index = Onnx_TensorProto("i", integer: -1)
    #expect(
      try result("Gather", x, [.init("axis", 2)], [index]) == (try tensor([1, 2], [3, 6])))
    let list = Onnx_TensorProto("i", integers: [2, 0, -1])
    #expect(
      try result("Gather", x, [.init("axis", 2)], [list])
        == (try tensor([1, 2, 3], [3, 1, 3, 6, 4, 6])))
  }

  /// What PyTorch writes for `interpolate(x, scale_factor=2)` with dynamic sizes.
  @Test func sizesAreComputedWhenTheFileIsRead() throws {
    let nodes: [Onnx_NodeProto] = [
      .init("Shape", ["x"], ["shape"]),
      .init("Gather", ["shape", "two"], ["rows"]),
      .init("Unsqueeze", ["rows", "zero"], ["rows1"]),
      .init("Cast", ["rows1"], ["real"], [.init("to", 1)]),
      .init("Constant", [], ["factor"], [.init("value", tensor: .init("", [1], floats: [2.25]))]),
      .init("Mul", ["real", "factor"], ["product"]),
      .init("Floor", ["product"], ["floor"]),
      .init("Cast", ["floor"], ["tall"], [.init("to", 7)]),
      .init("Slice", ["shape", "zero", "two1"], ["front"]),
      .init("Concat", ["front", "tall", "last"], ["sizes"], [.init("axis", 0)]),
      .init("Resize", ["x", "", "", "sizes"]),
    ]
    let model = Onnx_ModelProto(
      nodes, x: [1, 1, 2, 1],
      [
        .init("two", integer: 2), .init("zero", integers: [0]), .init("two1", integers: [2]),
        .init("last", integers: [3]),
      ])
    let y = try model.outputs(try counted([1, 1, 2, 1]))[0]
    #expect(y == (try tensor([1, 1, 4, 3], [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2])))
    #expect(try model.imported().function.nodes.count == 1)
  }

  @Test func integerArithmetic() throws {
    let nodes: [Onnx_NodeProto] = [
      .init("Shape", ["x"], ["shape"], [.init("start", 1), .init("end", -1)]),
      .init("Div", ["shape", "two"], ["half"]),
      .init("Sub", ["half", "two"], ["less"]),
      .init("Neg", ["less"], ["more"]),
      .init("Max", ["more", "half"], ["most"]),
      .init("ConstantOfShape", ["most"], ["zeros"]), .init("Add", ["x", "zeros"]),
    ]
    let model = Onnx_ModelProto(nodes, x: [3, 5, 1], [.init("two", integers: [2])])
    #expect(try model.outputs(try counted([3, 5, 1]))[0].shape.extents == [3, 5, 2])
  }

  @Test func anyShape() throws {
    let y = try result("Reshape", try counted([2, 3, 2]), [], [.init("s", integers: [4, -1])])
    #expect(y == (try counted([4, 3])))
    #expect(try result("Flatten", try counted([2, 3, 2])) == counted([2, 6]))
  }

  @Test func blocksOfPixels() throws {
    let x = try counted([1, 4, 1, 2])
    let size = Onnx_AttributeProto("blocksize", 2)
    let wide = try result("DepthToSpace", x, [size])
    #expect(wide == (try tensor([1, 1, 2, 4], [1, 3, 2, 4, 5, 7, 6, 8])))
    #expect(try result("SpaceToDepth", wide, [size]) == x)
    #expect(throws: (any Error).self) { try result("SpaceToDepth", x, [size]) }
  }

  @Test func products() throws {
    let x = try counted([2, 3])
    let w = Onnx_TensorProto("w", [3, 2], floats: [1, 0, 0, 1, 1, 1])
    #expect(try result("MatMul", x, [], [w]) == tensor([2, 2], [4, 5, 10, 11]))
    let c = Onnx_TensorProto("c", [2], floats: [1, -1])
    let all: [Onnx_AttributeProto] = [
      .init("alpha", real: 2), .init("beta", real: 3), .init("transA", 1), .init("transB", 1),
    ]
    let turned = Onnx_TensorProto("w", [2, 2], floats: [1, 0, 1, 1])
    #expect(
      try result("Gemm", x, all, [turned, c]) == tensor([3, 2], [5, 7, 7, 11, 9, 15]))
    let batch = Onnx_TensorProto("b", [2, 1, 3, 1], floats: [1, 0, 0, 0, 0, 2])
    #expect(
      try result("MatMul", try counted([2, 1, 3]), [], [batch])
        == tensor([2, 2, 1, 1], [1, 4, 6, 12]))
    #expect(throws: (any Error).self) { try result("MatMul", x, [], [turned]) }
  }
}
