import Diagnostics
import Tensors
import Testing

@testable import LoopIR

/// What is changed in the kernel, and what the interpreter says then.
private let mistakes: [(String, String, String)] = [
  ("barrier", "", "race for %tile["),
  ("%tile[%t, 0]", "%tile[%t mod 32 + %t / 4, 0]", "is read before it is written"),
  ("%tile[%t, 0]", "%tile[%t, %t mod 2]", "that is not 16 bytes beside each other"),
  ("%tile[%t, 0]", "%tile[%t + 33, 0]", "is outside 0 ..< 64"),
]

/// Matrices out of shared memory, whose threads get what the PTX ISA says.
@Suite struct MatrixLoadTests {
  /// Writes out what the two warps of a block get of the rows of `%a`, whose first 33 are stored in shared memory.
  static func kernel(_ element: String, matrices: Int, transposed: Bool = false) -> String {
    let packing = element == "bf16" ? 2 : 1
    let count = matrices * packing
    return """
      kernel @loaded(in %a: f32[33, \(4 * packing)], out %b: f32[32, \(count)]) {
        gpu_block for %block in 0 ..< 1 {
          allocate %tile : \(element)[64, \(4 * packing)] strides [\(12 * packing), 1] shared
          allocate %got : \(element)[32, 2, \(count)] register
          gpu_thread for %u in 0 ..< 33 {
            for %e in 0 ..< \(4 * packing) { %tile[%u, %e] = \(element)(%a[%u, %e]) }
          }
          barrier
          ldmatrix \(transposed ? "transposed " : "")%t: %got[1] = %tile[%t, 0]
          gpu_thread for %v in 0 ..< 32 {
            for %f in 0 ..< \(count) { %b[%v, %f] = f32(%got[%v, 1, %f]) }
          }
        }
      }
      """.replacing(element == "f32" ? "f32(%" : "none", with: "(%")
  }

  private func run(_ text: String, columns: Int) throws -> [Double] {
    let values = try Tensor(try Shape([33, columns]), (0..<33 * columns).map(Double.init))
    let kernel = try LoopParser.parseKernel(text)
    #expect(try LoopParser.parseKernel(LoopPrinter.text(kernel)) == kernel)
    return try LoopInterpreter.runKernel(kernel, arguments: [values])[0].values
  }

  @Test(arguments: ["f32", "bf16"], MatrixLoad.counts)
  func everyThreadGetsAPartOfEachMatrix(_ element: String, _ matrices: Int) throws {
    let packing = element == "bf16" ? 2 : 1
    let columns = 4 * packing
    let expected = (0..<32).flatMap { thread in
      (0..<matrices * packing).map { number in
        let row = number / packing * 8 + thread / 4
        return Double(row * columns + thread % 4 * packing + number % packing)
      }
    }
    #expect(try run(Self.kernel(element, matrices: matrices), columns: columns) == expected)
  }

  @Test(arguments: MatrixLoad.counts)
  func everyThreadGetsAPartOfEachTransposedMatrix(_ matrices: Int) throws {
    let expected = (0..<32).flatMap { thread in
      (0..<matrices * 2).map { number -> Double in
        let row = number / 2 * 8 + thread % 4 * 2 + number % 2
        return Double(row * 8 + thread / 4)
      }
    }
    let kernel = Self.kernel("bf16", matrices: matrices, transposed: true)
    #expect(try run(kernel, columns: 8) == expected)
  }

  @Test(arguments: mistakes) func findsMistakes(
    _ original: String, _ wrong: String, _ expected: String
  ) throws {
    let text = Self.kernel("f32", matrices: 4).replacing(original, with: wrong)
    #expect {
      _ = try run(text, columns: 4)
    } throws: {
      "\($0)".contains(expected)
    }
  }

  @Test func copiesMayBeUnderWay() throws {
    let text = Self.kernel("f32", matrices: 4)
      .replacing(
        "for %e in 0 ..< 4 { %tile[%u, %e] = (%a[%u, %e]) }",
        with: "vectorized for %e in 0 ..< 4 { copy_async %tile[%u, %e] = %a[%u, %e] }")
    #expect {
      _ = try run(text, columns: 4)
    } throws: {
      "\($0)".contains("is read while a copy to it is under way")
    }
    let waits = text.replacing("barrier", with: "commit_group wait_group 0 barrier")
    #expect(try run(waits, columns: 4).count == 128)
  }
}
