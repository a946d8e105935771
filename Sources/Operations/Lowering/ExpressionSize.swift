import Diagnostics
import GraphIR
import LoopIR

extension KernelLowering {
  /// Reads of operands and operations in one element's expression: many times what fused regions of networks have.
  private static let maximumSize = 256

  /// Throws where an element would be too large an expression.
  ///
  /// Values that are not bound are written out wherever they are used, so a chain of `add %a, %a` before a
  /// reduction would double with each operation.
  func checkSizes() throws(Diagnostic) {
    let bound = boundInTail()
    var sizes: [ValueID: Int] = [:]
    for node in group.nodes {
      let size = reads(of: node).reduce(1) { total, operand in
        min(total + (sizes[operand] ?? 1), Self.maximumSize + 1)
      }
      guard size <= Self.maximumSize else {
        throw Diagnostic(
          "an element of \(node.operation.mnemonic) takes more than \(Self.maximumSize) operations in one kernel",
          at: node.location, help: "fuse fewer operations")
      }
      let value = node.results[0]
      sizes[value] = bound.contains(value) || value == anchor?.results[0] ? 1 : size
    }
  }

  /// The operands in the expression of one element, each as often as it stands there.
  private func reads(of node: Node) -> [ValueID] {
    let reader: ElementReader = { operand, _ in .load("\(operand)", []) }
    let index = group.type(of: node.results[0]).shape.extents.map { _ in Expression.integer(0) }
    var expressions: [Expression] = []
    switch computation(of: node) {
    case .pointwise(let expression): expressions = [expression(index, reader)]
    case .reduction(let reduction):
      let reduced = reduction.ranges.map { _ in Expression.integer(0) }
      expressions = [
        reduction.initial(index, reader), reduction.update(.integer(0), index, reduced, reader),
      ]
    case .concatenation: return node.operands
    case .source: break
    }
    var reads: [ValueID] = []
    for expression in expressions {
      expression.forEachLoad { operand, _ in
        if let number = Int(operand) { reads.append(node.operands[number]) }
      }
    }
    return reads
  }
}
