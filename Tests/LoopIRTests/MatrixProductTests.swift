import Diagnostics
import Tensors
import Testing

@testable import LoopIR

/// Numbers and what they are in tf32.
private let roundings: [(Double, Double)] = [
  (0x1.004p0, 0x1.004p0), (0x1.002p0, 0x1.004p0), (0x1.001p0, 1), (-0x1.002p0, -0x1.004p0), (0, 0),
  (.infinity, .infinity), (0x1p-140, 0),
]

/// Products of matrices by warps, whose threads fetch what the tables of the PTX ISA say.
@Suite struct MatrixProductTests {
  /// C[16, 8] = A[16, depth] · B[depth, 8] by one warp.
  static func kernel(_ element: String, rounding: String) -> String {
    let (depth, packing) = element == "bf16" ? (16, 2) : (8, 1)
    let (left, right) = (4 * packing, 2 * packing)
    let half = depth / 2
    let total = element == "f64" ? "f64" : "f32"
    return """
      kernel @product(in %a: f32[16, \(depth)], in %b: f32[\(depth), 8], out %c: \(total)[16, 8]) {
        gpu_block for %block in 0 ..< 1 {
          allocate %left : \(element)[32, \(left)] register
          allocate %right : \(element)[32, \(right)] register
          allocate %sum : \(total)[32, 4] register
          gpu_thread for %t in 0 ..< 32 {
            unrolled for %e in 0 ..< \(left) {
              %left[%t, %e] = \(rounding)(%a[%t / 4 + %e / \(packing) mod 2 * 8, %t mod 4 * \(packing) + %e mod \(packing) + %e / \(2 * packing) * \(half)])
            }
            unrolled for %f in 0 ..< \(right) {
              %right[%t, %f] = \(rounding)(%b[%t mod 4 * \(packing) + %f mod \(packing) + %f / \(packing) * \(half), %t / 4])
            }
            unrolled for %g in 0 ..< 4 { %sum[%t, %g] = \(total) 0.0 }
          }
          mma %sum[] += %left[] * %right[]
          gpu_thread for %u in 0 ..< 32 {
            unrolled for %h in 0 ..< 4 {
              %c[%u / 4 + %h / 2 * 8, %u mod 4 * 2 + %h mod 2] = %sum[%u, %h]
            }
          }
        }
      }
      """
  }

  private func run(
    _ text: String, depth: Int, left: (Int) -> Double, right: (Int) -> Double = { _ in 1 }
  ) throws -> (product: [Double], expected: [Double]) {
    let a = (0..<16 * depth).map(left)
    let b = (0..<depth * 8).map(right)
    let arguments = [
      try Tensor(try Shape([16, depth]), a), try Tensor(try Shape([depth, 8]), b),
    ]
    let product = try LoopInterpreter.runKernel(
      try LoopParser.parseKernel(text), arguments: arguments)[0].values
    let expected = (0..<128).map { place in
      (0..<depth).reduce(0) { $0 + a[place / 8 * depth + $1] * b[$1 * 8 + place % 8] }
    }
    return (product, expected)
  }

  @Test(arguments: [("f32", "tf32", 8), ("bf16", "bf16", 16), ("f64", "f64", 8)])
  func productsOfSmallNumbersAreExact(_ element: String, _ rounding: String, _ depth: Int) throws {
    let text = Self.kernel(element, rounding: rounding)
    let (product, expected) = try run(
      text, depth: depth, left: { Double($0 * 37 % 61 - 30) }, right: { Double($0 * 23 % 41 - 20) })
    #expect(product == expected)
  }

  @Test func sumsAreCutOff() throws {
    // 1 + 7 · 2^-24 lies between 1 + 3 · 2^-23 and the nearer 1 + 4 · 2^-23.
    let text = Self.kernel("f32", rounding: "tf32")
    for sign in [1.0, -1] {
      let product = try run(
        text, depth: 8, left: { sign * ($0 % 8 == 0 ? 1 : 0x1p-12) },
        right: { $0 < 8 ? 1 : 0x1p-12 }
      ).product
      #expect(product.allSatisfy { $0 == sign * (1 + 3 * 0x1p-23) })
    }
  }

  @Test func doublesAreRoundedToNearestOneByOne() throws {
    // Together the small products are 1.75 units of the last place, each alone is nothing beside 1.
    let product = try run(
      Self.kernel("f64", rounding: "f64"), depth: 8, left: { $0 % 8 == 0 ? 1 : 0x1p-27 },
      right: { $0 < 8 ? 1 : 0x1p-27 }
    ).product
    #expect(product.allSatisfy { $0 == 1 })
  }

  @Test func factorsMustBeRounded() throws {
    let text = Self.kernel("f32", rounding: "")
    #expect {
      _ = try run(text, depth: 8, left: { $0 == 3 ? 0.1 : 1 })
    } throws: {
      "\($0)".contains("%left holds 0.1") && "\($0)".contains("more bits than tf32")
    }
    #expect(try run(text, depth: 8, left: { _ in 0.5 }).product.allSatisfy { $0 == 4 })
  }

  @Test func factorsMustBeDefined() throws {
    let text = Self.kernel("f32", rounding: "tf32").replacing(
      "%e in 0 ..< 4", with: "%e in 1 ..< 4")
    #expect {
      _ = try run(text, depth: 8, left: { _ in 1 })
    } throws: {
      "\($0)".contains("%left of thread 0 is read before it is written")
    }
  }

  /// tf32 has 11 significant bits; ties go away from zero.
  @Test(arguments: roundings)
  func roundsToTF32(_ value: Double, _ expected: Double) throws {
    let text = "kernel @k(in %x: f32[1], out %y: f32[1]) { %y[0] = tf32(%x[0]) }"
    let result = try LoopInterpreter.runKernel(
      try LoopParser.parseKernel(text), arguments: [try Tensor(try Shape([1]), [value])])
    #expect(result[0].values == [expected])
  }

  /// What is cut off is less than a unit of the last place and of the value's sign.
  @Test(arguments: roundings)
  func cutsToTF32(_ value: Double, _ rounded: Double) throws {
    let text = "kernel @k(in %x: f32[1], out %y: f32[1]) { %y[0] = tf32_rz(%x[0]) }"
    let result = try LoopInterpreter.runKernel(
      try LoopParser.parseKernel(text), arguments: [try Tensor(try Shape([1]), [value])]
    )[0].values[0]
    guard value.isFinite else { return #expect(result == value) }
    #expect(result.magnitude <= value.magnitude && Float(result).bitPattern & 0x1FFF == 0)
    #expect((value - result).magnitude < max(value.magnitude * 0x1p-10, 0x1p-136))
  }
}
