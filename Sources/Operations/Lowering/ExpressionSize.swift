import Diagnostics
import GraphIR
import LoopIR
import Tensors

extension KernelLowering {
  /// Reads of operands and operations in one element's expression: many times what fused regions of networks have.
  fileprivate static let maximumSize = 256

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
    computation(of: node).reads(result: group.type(of: node.results[0]), operands: node.operands)
  }
}

extension Computation {
  /// The operands in the expression of one element, each as often as it stands there.
  fileprivate func reads(result: TensorType, operands: [ValueID]) -> [ValueID] {
    let reader: ElementReader = { operand, _ in .load("\(operand)", []) }
    let index = result.shape.extents.map { _ in Expression.integer(0) }
    var expressions: [Expression] = []
    switch self {
    case .pointwise(let expression): expressions = [expression(index, reader)]
    case .reduction(let reduction):
      let reduced = reduction.ranges.map { _ in Expression.integer(0) }
      expressions = [
        reduction.initial(index, reader), reduction.update(.integer(0), index, reduced, reader),
      ]
    case .concatenation: return operands
    case .source: break
    }
    var reads: [ValueID] = []
    for expression in expressions {
      expression.forEachLoad { operand, _ in
        if let number = Int(operand) { reads.append(operands[number]) }
      }
    }
    return reads
  }
}

extension Function {
  /// Whether one kernel can compute the operations of some nodes, in order, with every value written out where it is used:
  /// that takes no more than half of what kernels can have at most.
  public func isShort(writingOut nodes: [Int]) -> Bool {
    var sizes: [ValueID: Int] = [:]
    for node in nodes.map({ self.nodes[$0] }) {
      guard let operation = node.operation as? any TensorOperation, node.results.count == 1 else {
        return false
      }
      let result = type(of: node.results[0])
      let size = operation.computation(operands: types(of: node.operands), result: result)
        .reads(result: result, operands: node.operands)
        .reduce(1) { min($0 + (sizes[$1] ?? 1), KernelLowering.maximumSize) }
      if size > KernelLowering.maximumSize / 2 { return false }
      sizes[node.results[0]] = size
    }
    return true
  }
}
