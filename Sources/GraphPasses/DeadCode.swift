import Diagnostics
import GraphIR

/// Drops operations whose results nobody uses.
///
/// ```
/// %1 = relu %x
/// %2 = negate %x
/// return %2
/// ```
/// loses `%1`.
public struct DeadCode: GraphPass {
  public static let name = "dce"
  public static let summary = "Drops operations whose results nobody uses."

  public init() {}

  public func run(_ context: inout GraphPassContext) throws(Diagnostic) {
    let function = context.function
    var live = Set(function.results)
    for node in function.nodes.reversed() where node.results.contains(where: live.contains) {
      live.formUnion(node.operands)
    }
    try context.rewrite { (node, _, _) throws(Diagnostic) in
      node.results.contains(where: live.contains) ? nil : []
    }
  }
}
