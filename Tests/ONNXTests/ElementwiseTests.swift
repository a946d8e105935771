import Glibc
import Tensors
import Testing

@testable import ONNX

@Suite struct ElementwiseTests {
  private let x = [-2.0, -0.5, 0, 3]

  private func check(
    _ name: String, _ attributes: [Onnx_AttributeProto] = [], _ others: [Onnx_TensorProto] = [],
    operatorSet: Int = 18, gives expected: [Double], of input: [Double]? = nil
  ) throws {
    let input = try tensor([1, 4], input ?? x)
    let result = try result(name, input, attributes, others, operatorSet: operatorSet)
    #expect(result == (try tensor([1, 4], expected)))
  }

  @Test func functionsOfOneElement() throws {
    try check("Relu", gives: [0, 0, 0, 3])
    try check("Abs", gives: [2, 0.5, 0, 3])
    try check("Neg", gives: [2, 0.5, 0, -3])
    try check("Sqrt", gives: [2, 3, 0, 1], of: [4, 9, 0, 1])
    try check("Reciprocal", gives: [0.5, 0.25, 1, -2], of: [2, 4, 1, -0.5])
    try check("Identity", gives: x)
    try check("Dropout", gives: x)
    try check("Cast", [.init("to", 1)], gives: x)
  }

  @Test func elementaryFunctions() throws {
    try check("Exp", gives: [1, 1, 1, 1], of: [0, 0, -0.0, 0])
    try check("Log", gives: [0, -.infinity, .infinity, 0], of: [1, 0, .infinity, 1])
    try check("Tanh", gives: [0, 1, -1, 0], of: [0, 99, -99, 0])
    try check("Erf", gives: [0, 1, -1, 0], of: [0, 99, -99, 0])
    try check("Sigmoid", gives: [0.5, 1, 0, 0.5], of: [0, 999, -999, 0])
    try check("Sign", gives: [-1, -1, 0, 1])
  }

  @Test func circularFunctionsAndRoundings() throws {
    try check("Sin", gives: [0, 0, 0, 0], of: [0, 0, -0.0, 0])
    try check("Cos", gives: [1, 1, 1, 1], of: [0, 0, -0.0, 0])
    try check(
      "Atan", gives: [0, Double.pi / 4, -Double.pi / 2, Double.pi / 2],
      of: [0, 1, -.infinity, .infinity])
    try check("Floor", gives: [-2, -1, 0, 3], of: [-2, -0.5, 0.5, 3])
    try check("Ceil", gives: [-2, 0, 1, 3], of: [-2, -0.5, 0.5, 3])
    try check("Round", gives: [-2, 0, 2, 2], of: [-1.5, 0.5, 1.5, 2.5])
    try check(
      "Shrink", [.init("lambd", real: 1), .init("bias", real: 0.5)], gives: [-1.5, 0, 0, 2.5])
    try check("IsNaN", gives: [0, 1, 0, 0], of: [0, .nan, .infinity, 1])
  }

  @Test func activations() throws {
    try check(
      "HardSigmoid", [.init("alpha", real: 0.25)], gives: [0, 0.375, 0.5, 1],
      of: [-2, -0.5, 0, 3])
    try check("HardSwish", gives: [0, 0, 3, 0], of: [-3, 0, 3, -7])
    try check("Elu", [.init("alpha", real: 2)], gives: [-2, 0, 3, -2], of: [-999, 0, 3, -999])
    try check("Celu", [.init("alpha", real: 2)], gives: [-2, 0, 3, -2], of: [-999, 0, 3, -999])
    try check(
      "Selu", [.init("alpha", real: 2), .init("gamma", real: 0.5)], gives: [-1, 0, 1, 5],
      of: [-999, 0, 2, 10])
    try check("Softplus", gives: [0, 999, 50, 0], of: [-999, 999, 50, -800])
    try check("Softsign", gives: [-0.5, 0, 0.75, 0.5], of: [-1, 0, 3, 1])
    try check("Mish", gives: [0, 99, 50, 0], of: [0, 99, 50, -0.0])
    try check("Gelu", gives: [0, 99, 50, 0], of: [0, 99, 50, -99])
    try check(
      "Gelu", [.init("approximate", word: "tanh")], gives: [0, 99, 50, 0], of: [0, 99, 50, -99])
  }

  @Test func softmaxes() throws {
    let x = try tensor([1, 2, 2], [0, 0, 900, 900 + log(2)])
    let last = try result("Softmax", x).values
    #expect(last[..<2] == [0.5, 0.5] && abs(last[3] - 2.0 / 3) < 1e-9)
    #expect(try result("Softmax", x, [.init("axis", 1)]).values == [0, 0, 1, 1])
    let all = try result("Softmax", x, operatorSet: 12).values
    #expect(all[..<2] == [0, 0] && abs(all[2] - 1.0 / 3) < 1e-9)
    #expect(try result("LogSoftmax", x).values[0] == -log(2))
  }

  @Test func comparisonsAndChoices() throws {
    let limits = [Onnx_TensorProto("l", [4], floats: [-2, 0, 0, 1])]
    try check("Equal", [], limits, gives: [1, 0, 1, 0])
    try check("Greater", [], limits, gives: [0, 0, 0, 1])
    try check("GreaterOrEqual", [], limits, gives: [1, 0, 1, 1])
    try check("Less", [], limits, gives: [0, 1, 0, 0])
    try check("LessOrEqual", [], limits, gives: [1, 1, 1, 0])
    let truths = [Onnx_TensorProto("t", [4], floats: [0, 0, 1, 1])]
    try check("And", [], truths, gives: [0, 0, 0, 1], of: [0, 1, 0, 1])
    try check("Or", [], truths, gives: [0, 1, 1, 1], of: [0, 1, 0, 1])
    try check("Not", gives: [0, 0, 1, 0])
    try check("Cast", [.init("to", 9)], gives: [1, 1, 0, 1])
    try check(
      "Where", [], [.init("a", [1], floats: [7]), .init("b", [4], floats: [1, 2, 3, 4])],
      gives: [7, 7, 3, 7])
  }

  /// As exporters write `expand`: -1 stands for what there is.
  @Test func integersAreChosenAtOnce() throws {
    let nodes: [Onnx_NodeProto] = [
      .init("Equal", ["asked", "open"], ["is"]), .init("Where", ["is", "one", "asked"], ["shape"]),
      .init("Expand", ["x", "shape"]),
    ]
    let model = Onnx_ModelProto(
      nodes, x: [1, 2],
      [
        .init("asked", integers: [2, -1]), .init("open", integer: -1),
        .init("one", integers: [1, 1]),
      ])
    #expect(try model.outputs(try tensor([1, 2], [3, 4]))[0] == tensor([2, 2], [3, 4, 3, 4]))
  }

  @Test func rectifiersWithSlopes() throws {
    try check("LeakyRelu", [.init("alpha", real: 0.25)], gives: [-0.5, -0.125, 0, 3])
    try check("LeakyRelu", [.init("alpha", real: 2)], gives: [-4, -1, 0, 3])
    try check("LeakyRelu", [.init("alpha", real: -0.5)], gives: [1, 0.25, 0, 3])
    try check("LeakyRelu", [.init("alpha", real: 0)], gives: [0, 0, 0, 3])
    try check(
      "PRelu", [], [.init("slope", [4], floats: [0.5, -2, 1, 7])], gives: [-1, 1, 0, 3])
    try check("PRelu", [], [.init("slope", [1], floats: [0.5])], gives: [-1, -0.25, 0, 3])
  }

  @Test func clipTakesLimitsFromAttributesOrInputs() throws {
    try check(
      "Clip", [.init("min", real: -1), .init("max", real: 2)], operatorSet: 10,
      gives: [-1, -0.5, 0, 2])
    let (low, high) = (
      Onnx_TensorProto("low", [], floats: [-1]), Onnx_TensorProto("high", [], floats: [2])
    )
    try check("Clip", [], [low, high], gives: [-1, -0.5, 0, 2])
    try check("Clip", [], [leftOut, high], gives: [-2, -0.5, 0, 2])
    try check("Clip", [], [.init("zero", [], floats: [0])], gives: [0, 0, 0, 3])
  }

  @Test func powers() throws {
    for (exponent, expected) in [
      (3, [64, 8, 1, 0.125]), (2, [16, 4, 1, 0.25]), (1, [4, 2, 1, 0.5]), (-1, [0.25, 0.5, 1, 2]),
      (0, [1, 1, 1, 1]), (5, [1024, 32, 1, 0.03125]), (-2, [0.0625, 0.25, 1, 4]),
    ] as [(Float, [Double])] {
      try check(
        "Pow", [], [.init("e", [], floats: [exponent])], gives: expected, of: [4, 2, 1, 0.5])
    }
    try check("Pow", [], [.init("e", [], floats: [0.5])], gives: [2, 3, 1, 0], of: [4, 9, 1, 0])
    try check(
      "Pow", [], [.init("e", [], floats: [-0.5])], gives: [0.5, 1, 2, 4], of: [4, 1, 0.25, 0.0625])
  }

  @Test func powersHaveTheShapeOfBoth() throws {
    let exponents = Onnx_TensorProto("e", [2, 1], floats: [2, 2])
    #expect(
      try result("Pow", try tensor([3], [1, 2, 3]), [], [exponents])
        == (try tensor([2, 3], [1, 4, 9, 1, 4, 9])))
    let x = try result("Pow", try tensor([2], [4, 0]), [], [.init("e", [], floats: [1.5])])
    #expect(abs(x.values[0] - 8) < 1e-12 && x.values[1] == 0)
    let model = Onnx_ModelProto(
      [.init("Pow", ["b", "x"])], x: [2], [.init("b", [1, 1], floats: [9])])
    let powers = try model.outputs(try tensor([2], [0.5, 0]))[0]
    #expect(powers.shape.extents == [1, 2])
    #expect(abs(powers.values[0] - 3) < 1e-12 && powers.values[1] == 1)
  }

  @Test func arithmeticRepeatsDimensions() throws {
    let x = try counted([1, 2, 2, 2])
    let channels = Onnx_TensorProto("c", [2, 1, 1], floats: [2, 4])
    let columns = Onnx_TensorProto("w", [2], floats: [1, -1])
    #expect(try result("Add", x, [], [channels]).values == [3, 4, 5, 6, 9, 10, 11, 12])
    #expect(try result("Sub", x, [], [columns]).values == [0, 3, 2, 5, 4, 7, 6, 9])
    #expect(try result("Mul", x, [], [columns]).values == [1, -2, 3, -4, 5, -6, 7, -8])
    #expect(try result("Div", x, [], [channels]).values == [0.5, 1, 1.5, 2, 1.25, 1.5, 1.75, 2])
    let number = Onnx_TensorProto("n", [], floats: [4])
    #expect(try result("Max", x, [], [number]).values == [4, 4, 4, 4, 5, 6, 7, 8])
    #expect(try result("Min", x, [], [number, channels]).values == [1, 2, 2, 2, 4, 4, 4, 4])
    #expect(try result("Sum", x, [], [number, columns]).values == [6, 5, 8, 7, 10, 9, 12, 11])
  }

  /// The smaller of two takes in what has more dimensions than the first.
  @Test func arithmeticStretchesTheFirstInputToo() throws {
    let x = try counted([2])
    let y = try result("Mul", x, [], [.init("m", [2, 1], floats: [1, 10])])
    #expect(y == (try tensor([2, 2], [1, 2, 10, 20])))
  }

  @Test func normalizations() throws {
    let x = try tensor([1, 2, 1, 2], [1, 3, 0, 8])
    func c(_ name: String, _ values: [Float]) -> Onnx_TensorProto {
      .init(name, [2], floats: values)
    }
    let stored = try result(
      "BatchNormalization", x, [.init("epsilon", real: 0)],
      [c("s", [2, 1]), c("b", [1, 0]), c("m", [1, 4]), c("v", [4, 16])])
    #expect(stored.values == [1, 3, -1, 1])
    let own = try result(
      "InstanceNormalization", x, [.init("epsilon", real: 0)], [c("s", [2, 1]), c("b", [1, 0])])
    #expect(own.values == [-1, 3, -1, 1])
    let rows = try result(
      "LayerNormalization", x, [.init("axis", -1), .init("epsilon", real: 0)],
      [c("s", [2, 1]), c("b", [1, 0])])
    #expect(rows.values == [-1, 1, -1, 1])
  }

  /// As PyTorch writes it: a shape of groups and back.
  @Test func groupNormalization() throws {
    let nodes: [Onnx_NodeProto] = [
      .init("Reshape", ["x", "groups"], ["g"]),
      .init("InstanceNormalization", ["g", "s", "b"], ["n"], [.init("epsilon", real: 0)]),
      .init("Shape", ["x"], ["shape"]), .init("Reshape", ["n", "shape"]),
    ]
    let model = Onnx_ModelProto(
      nodes, x: [1, 4, 1, 2],
      [
        .init("groups", integers: [0, 2, -1]), .init("s", [2], floats: [1, 2]),
        .init("b", [2], floats: [0, 1]),
      ])
    let x = try tensor([1, 4, 1, 2], [1, 1, 3, 3, 0, 8, 8, 0])
    #expect(try model.outputs(x)[0] == (try tensor([1, 4, 1, 2], [-1, -1, 1, 1, -1, 3, 3, -1])))
    var open = model
    open.graph.output[0].name = "n"
    #expect(try open.outputs(x)[0].shape.extents == [1, 2, 4])
  }

  @Test func reductions() throws {
    let x = try counted([1, 2, 2, 2])
    let axes = Onnx_TensorProto("axes", integers: [-1, 2])
    #expect(try result("ReduceMean", x, [], [axes]) == (try tensor([1, 2, 1, 1], [2.5, 6.5])))
    #expect(
      try result("ReduceMean", x, [.init("axes", [1]), .init("keepdims", 0)], operatorSet: 17)
        == (try tensor([1, 2, 2], [3, 4, 5, 6])))
    #expect(try result("ReduceSum", x).values == [36])
    #expect(
      try result("ReduceSum", x, [.init("axes", [2])], operatorSet: 12).values == [4, 6, 12, 14])
    #expect(try result("ReduceSum", x, [.init("noop_with_empty_axes", 1)]) == x)
    #expect(try result("ReduceMax", x, [], [axes]).values == [4, 8])
    #expect(
      try result("ReduceMin", x, [.init("axes", [0, 1])], operatorSet: 17).values == [1, 2, 3, 4])
    #expect(try result("ReduceL1", x, [], [axes]).values == [10, 26])
    #expect(try result("ReduceSumSquare", x, [], [axes]).values == [30, 174])
    #expect(try result("ReduceL2", try tensor([1, 2], [3, -4])).values == [5])
  }
}
