import Diagnostics
import GraphIR
import GraphPasses
import Operations
import Tensors
import Testing

/// The network that a function says it is the graph of.
@Suite struct OriginTests {
  private let network = ModelDescription(network: "sum", settings: ["axis": "rows"])

  /// Two products that are one, and their sum.
  private func sum() throws -> Function {
    try function(
      "(%x: tensor<2xf32>) -> tensor<f32>\(network.attributes)",
      """
      %w = parameter "w" : tensor<2xf32>
      %0 = multiply %x, %w : tensor<2xf32>
      %1 = multiply %x, %w : tensor<2xf32>
      %2 = add %0, %1 : tensor<2xf32>
      %3 = reduce %2 {dimensions = [0], reducer = add} : tensor<f32>
      return %3
      """)
  }

  @Test func staysWhileResultsDo() throws {
    var seen: [ModelDescription?] = []
    let result = try GraphPasses.run(GraphPasses.standard, on: try sum()) { _, changed in
      seen.append(changed.origin)
    }
    #expect(result.origin == network)
    #expect(seen.count > 1 && seen.allSatisfy { $0 == network })
  }

  @Test func isLostWithOtherResults() throws {
    let result = try GraphPasses.run([Differentiate.self], on: try sum())
    #expect(result.results.count == 2)
    #expect(result.origin == nil)
  }
}
