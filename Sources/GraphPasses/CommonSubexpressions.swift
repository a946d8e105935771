import Diagnostics
import GraphIR
import Tensors

/// Computes equal operations on equal operands once.
///
/// ```
/// %1 = relu %x
/// %2 = relu %x
/// %3 = add %1, %2
/// ```
/// becomes `%3 = add %1, %1`.
public struct CommonSubexpressions: GraphPass {
  public static let name = "cse"
  public static let summary = "Computes equal operations on equal operands once."

  private struct Key: Hashable {
    var mnemonic: String
    var attributes: [Attribute]
    var operands: [ValueID]
    var types: [TensorType]
  }

  public init() {}

  public func run(_ context: inout GraphPassContext) throws(Diagnostic) {
    let function = context.function
    var known: [Key: [ValueID]] = [:]
    // A node's own new results are only known after it is kept, so equal nodes are found by old results.
    try context.rewrite { (node, _, rewriter) throws(Diagnostic) in
      guard node.regions.isEmpty else { return nil }
      let key = Key(
        mnemonic: node.operation.mnemonic, attributes: node.operation.attributes,
        operands: node.operands.map { rewriter[$0] }, types: function.types(of: node.results))
      if let earlier = known[key] { return earlier.map { rewriter[$0] } }
      known[key] = node.results
      return nil
    }
  }
}
