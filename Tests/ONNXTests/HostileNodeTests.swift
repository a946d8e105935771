import Tensors
import Testing

@testable import ONNX

/// Nodes with attributes and inputs that no exporter writes: they are refused or mean something, but never crash.
@Suite struct HostileNodeTests {
  private static let attributes = [
    "axes", "axis", "perm", "pads", "strides", "dilations", "kernel_shape", "output_shape",
    "output_padding", "group", "split", "num_outputs", "starts", "ends", "start", "end", "to",
    "ceil_mode", "count_include_pad", "keepdims", "allowzero", "noop_with_empty_axes", "value_ints",
    "blocksize", "num_groups", "transA", "inverse", "onesided",
  ]
  private static let numbers = [0, 1, 2, 3, 7, -1, -2, -9, 1 << 40, Int.max, Int.min]
  private static let words = [
    ("mode", ["reflect", "edge", "nearest", "linear", "wrap"]),
    ("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"]),
    ("coordinate_transformation_mode", ["asymmetric", "half_pixel", "align_corners"]),
  ]
  private static let shapes = [
    [], [3], [2, 1], [1, 2, 4, 4], [2, 4, 1, 5], [3, 6, 2], [1, 2, 3, 4, 2], [2, 4, 2, 1, 3],
  ]

  @Test func anyAttributesAndInputs() throws {
    var random = SplitMix64(seed: 1)
    var accepted = 0
    for name in OperatorTable.operators.keys.sorted() {
      for _ in 0..<300 where failure(model(name, &random)) == nil { accepted += 1 }
    }
    // Enough to say that not every one is refused for its form.
    #expect(accepted > 500)
  }

  private func list(_ random: inout SplitMix64) -> [Int] {
    (0..<Int.random(in: 0...5, using: &random)).map { _ in
      Self.numbers.randomElement(using: &random) ?? 0
    }
  }

  private func model(_ name: String, _ random: inout SplitMix64) -> Onnx_ModelProto {
    var node = Onnx_NodeProto(name, ["x"])
    for attribute in Self.attributes where Int.random(in: 0..<8, using: &random) == 0 {
      node.attribute.append(
        Bool.random(using: &random)
          ? .init(attribute, list(&random)) : .init(attribute, list(&random).first ?? 1))
    }
    for (attribute, choices) in Self.words where Bool.random(using: &random) {
      node.attribute.append(
        .init(attribute, word: choices.randomElement(using: &random) ?? ""))
    }
    var constants: [Onnx_TensorProto] = []
    for index in 0..<Int.random(in: 0...4, using: &random) {
      let constant = constant("c\(index)", &random)
      node.input.append(Int.random(in: 0..<5, using: &random) == 0 ? "" : constant.name)
      constants.append(constant)
    }
    if Int.random(in: 0..<4, using: &random) == 0, !constants.isEmpty { node.input[0] = "c0" }
    return Onnx_ModelProto(
      [node], x: Self.shapes.randomElement(using: &random) ?? [], constants,
      operatorSet: [9, 11, 18, 20].randomElement(using: &random) ?? 18)
  }

  private func constant(_ name: String, _ random: inout SplitMix64) -> Onnx_TensorProto {
    switch Int.random(in: 0..<4, using: &random) {
    case 0: return .init(name, integers: list(&random))
    case 1: return .init(name, integer: Self.numbers.randomElement(using: &random) ?? 0)
    case 2: return .init(name, [], floats: [2])
    default:
      let shape = [[4], [2, 2, 1, 2], [2, 1, 3, 3], [1], [2, 1, 1], [2, 2, 2, 1, 2]].randomElement(
        using: &random)
      let count = shape?.reduce(1, *) ?? 1
      return .init(name, shape ?? [1], floats: (0..<count).map { Float($0 % 3) })
    }
  }
}
