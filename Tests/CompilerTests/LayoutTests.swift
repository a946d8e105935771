import CodeGen
import LoopIR
import Tensors
import Testing

@testable import Compiler

/// Images whose channels are last in memory.
@Suite struct LayoutTests {
  /// What elementwise operations make of such an image is computed by readers that had it in another layout.
  @Test(arguments: ["native", "x86-64"])
  func readersTakeTheLayoutOfWhatTheyComputeFrom(_ target: String) throws {
    let model = try DumpReader.read(
      """
      rephase_ir 1
      func @f(%x: tensor<2x16x5x12xf32>, %rows: tensor<2x5xf32>, %k: tensor<2x16x2x12xf32>) -> (tensor<2x16x2x5xf32>, tensor<2x16x2x12xf32>) {
        %0 = broadcast_in_dim %rows {dimensions = [2, 3]} : tensor<2x16x2x5xf32>
        %v = dot_general %0, %x {lhs_batching_dimensions = [0, 1], lhs_contracting_dimensions = [3], rhs_batching_dimensions = [0, 1], rhs_contracting_dimensions = [2]} : tensor<2x16x2x12xf32>
        %1 = constant -1.0 : tensor<2x16x2x12xf32>
        %a = maximum %v, %1 : tensor<2x16x2x12xf32>
        %n = negate %a : tensor<2x16x2x12xf32>
        %z = maximum %n, %k : tensor<2x16x2x12xf32>
        %g = compare %n, %k {direction = GE} : tensor<2x16x2x12xf32>
        %q = select %g, %k, %v : tensor<2x16x2x12xf32>
        %t = transpose %x {permutation = [0, 1, 3, 2]} : tensor<2x16x12x5xf32>
        %y = dot_general %q, %t {lhs_batching_dimensions = [0, 1], lhs_contracting_dimensions = [3], rhs_batching_dimensions = [0, 1], rhs_contracting_dimensions = [2]} : tensor<2x16x2x5xf32>
        return %y, %z
      }
      """, file: "model.rir")
    let pipeline = Pipeline(target: try Targets.resolve(target), precision: .standard)
    let inputs = try [[2, 16, 5, 12], [2, 5], [2, 16, 2, 12]].map { extents in
      let shape = try Shape(extents)
      return try Tensor(shape, (0..<shape.elementCount).map { Double($0 * 37 % 101 - 50) / 64 })
    }
    let scheduled = try pipeline.scheduled(model)
    #expect(scheduled.buffers.contains { $0.buffer.strides != Buffer.rowMajor($0.buffer.extents) })
    #expect(scheduled.kernels.contains { $0.name.contains("_of_maximum_negate_") })
    let expected = try LoopInterpreter.run(
      try pipeline.plain(model), parameters: [:], inputs: inputs)
    let actual = try LoopInterpreter.run(scheduled, parameters: [:], inputs: inputs)
    #expect(actual[1] == expected[1])
    for (value, exact) in zip(actual[0].values, expected[0].values) {
      #expect(abs(value - exact) < 1e-5)
    }
  }
}
