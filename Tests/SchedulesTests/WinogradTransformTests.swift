import LoopIR
import Tensors
import Testing

@testable import Schedules

/// Winograd's transforms: exact identities, and programs that compute the matrices' products.
@Suite struct WinogradTransformTests {
  /// y[k] = sum over t of d[k + t] g[t], for every pair of unit vectors, without any rounding.
  @Test(arguments: WinogradTransform.all + [.ofFiveTaps])
  func theIdentityHoldsExactly(_ transform: WinogradTransform) {
    let (a, g, b) = (transform.outputMatrix, transform.kernelMatrix, transform.inputMatrix)
    for output in 0..<transform.outputs {
      for tap in 0..<transform.taps {
        for input in 0..<transform.inputs {
          let terms = (0..<transform.inputs).map { j in a[output][j] * g[j][tap] * b[j][input] }
          let sum = terms.reduce(Fraction(0)) { $0 - (-$1) }
          #expect(sum == (input == output + tap ? 1 : 0))
        }
      }
    }
  }

  @Test(arguments: WinogradTransform.all + [.ofFiveTaps])
  func factorsOfDataAreExactInFloat32(_ transform: WinogradTransform) {
    for factor in (transform.inputMatrix + transform.outputMatrix).joined() {
      #expect(Double(Float(factor.value)) == factor.value)
    }
  }

  @Test func sizesAreThoseOfTheirNames() {
    #expect(WinogradTransform.all.map(\.outputs) == [2, 4, 4, 6])
    #expect(WinogradTransform.all.map(\.inputs) == [4, 6, 6, 8])
    #expect(WinogradTransform.all.map(\.label) == ["2x2", "4x4", "4x4u", "6x6"])
    let wide = WinogradTransform.ofFiveTaps
    #expect((wide.outputs, wide.inputs, wide.label) == (2, 6, "2x2k5"))
  }

  /// The textbook's F(2, 3): d0 - d2, d1 + d2, d2 - d1, d3 - d1.
  @Test func theSmallestTransformIsTheTextbooks() {
    let matrix = WinogradTransform.all[0].inputMatrix
    #expect(matrix == [[-1, 0, 1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, -1, 0, 1]])
  }

  /// The `let`s of a map, run by the interpreter, against the matrix times the vector.
  @Test(arguments: WinogradTransform.all + [.ofFiveTaps], [true, false])
  func mapsMultiplyTheirMatrix(_ transform: WinogradTransform, isFused: Bool) throws {
    for matrix in [transform.inputMatrix, transform.outputMatrix, transform.kernelMatrix] {
      let size = matrix[0].count
      let vector = (0..<size).map { Double(($0 * 37 + 11) % 16) / 8 - 1 }
      let result = try run(LinearMap(matrix: matrix, element: .f64, isFused: isFused), on: vector)
      for (row, value) in zip(matrix, result) {
        let expected = zip(row, vector).reduce(0) { $0 + $1.0.value * $1.1 }
        #expect(abs(value - expected) <= 1e-12)
      }
    }
  }

  /// Pairs of opposite points share work: two operations for each result but one or two.
  @Test func pairsShareTheirSums() {
    let counts = WinogradTransform.all.map { operations(of: $0.inputMatrix) }
    #expect(counts == [4, 12, 12, 24])
    #expect(operations(of: WinogradTransform.all[1].outputMatrix) <= 12)
  }

  private func operations(of matrix: [[Fraction]]) -> Int {
    var names = NameSupply(Kernel("k", parameters: [], body: []))
    let vector = matrix[0].indices.map { Expression.load("x", [.integer($0)]) }
    let program = LinearMap(matrix: matrix, element: .f32, isFused: true)
      .apply(to: vector, &names).statements
    var parts: [Expression] = []
    program.forEachStatement { parts += $0.expressions.flatMap(\.subexpressions) }
    return parts.count {
      switch $0 {
      case .binary, .fma: true
      default: false
      }
    }
  }

  private func run(_ map: LinearMap, on vector: [Double]) throws -> [Double] {
    let x = Buffer("x", .f64, extents: [vector.count], alignment: 8)
    let y = Buffer("y", .f64, extents: [map.matrix.count], alignment: 8)
    var kernel = Kernel(
      "map", parameters: [KernelParameter(x, .read), KernelParameter(y, .write)], body: [])
    var names = NameSupply(kernel)
    let program = map.apply(to: vector.indices.map { .load("x", [.integer($0)]) }, &names)
    kernel.body =
      program.statements
      + program.results.enumerated().map { .store("y", [.integer($0)], $1) }
    let module = LoopModule(
      name: "map", buffers: [ModuleBuffer(x, .input("x")), ModuleBuffer(y, .output("y"))],
      kernels: [kernel], run: [.call("map", ["x", "y"])])
    try LoopVerifier.verify(module)
    let input = try Tensor(try Shape([vector.count]), vector)
    return try LoopInterpreter.run(module, parameters: [:], inputs: [input])[0].values
  }
}
