import Diagnostics
import GraphIR
import Tensors

/// One use of an operation, with the cotangents that arrive at its results.
///
/// The cotangent of a value v is dL/dv for the scalar L that is differentiated; it has the type of v.
public struct Application {
  public var operands: [ValueID]
  public var results: [ValueID]
  /// One for each result; nil where L does not depend on it.
  public var cotangents: [ValueID?]
  /// Whether the cotangent of each operand is of use to anyone.
  public var wanted: [Bool]
  public var regions: [Function] = []

  /// The cotangent of the first result, which is there wherever an operation has one result.
  public var cotangent: ValueID { cotangents.compactMap { $0 }[0] }
}

/// Reverse-mode differentiation: cotangents from results back to sources, node by node.
public enum ReverseMode {
  /// Appends to the builder's function what computes the cotangents of `sources`.
  ///
  /// - Parameters:
  ///   - nodes: what lies between sources and seeds, in order; they must be in the builder's function already.
  ///   - seeds: values with their cotangents.
  /// - Returns: one cotangent for each source, nil where the seeds do not depend on it.
  ///
  /// Throws where an operation on the way has no derivative, with its place.
  public static func cotangents(
    of sources: [ValueID], through nodes: [Node], seeds: [(value: ValueID, cotangent: ValueID)],
    _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    let active = active(sources, nodes)
    var known: [ValueID: ValueID] = [:]
    for seed in seeds { try accumulate(seed.cotangent, on: seed.value, &known, &builder) }
    for node in nodes.reversed() where node.results.contains(where: { known[$0] != nil }) {
      let wanted = node.operands.map(active.contains)
      guard wanted.contains(true) else { continue }
      builder.location = node.location
      let call = Application(
        operands: node.operands, results: node.results, cotangents: node.results.map { known[$0] },
        wanted: wanted, regions: node.regions)
      let gradients = try gradients(of: node, call, &builder)
      for (operand, gradient) in zip(node.operands, gradients) where active.contains(operand) {
        if let gradient { try accumulate(gradient, on: operand, &known, &builder) }
      }
    }
    return sources.map { known[$0] }
  }

  /// The sources and what is computed from them.
  private static func active(_ sources: [ValueID], _ nodes: [Node]) -> Set<ValueID> {
    var active = Set(sources)
    for node in nodes
    where !(node.operation is StopGradient) && node.operands.contains(where: active.contains) {
      active.formUnion(node.results)
    }
    return active
  }

  private static func gradients(
    of node: Node, _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    guard let operation = node.operation as? any TensorOperation else {
      throw Diagnostic("\(node.operation.mnemonic) has no gradient", at: node.location)
    }
    do { return try operation.gradient(call, &builder) } catch {
      throw error.located(at: node.location)
    }
  }

  private static func accumulate(
    _ cotangent: ValueID, on value: ValueID, _ known: inout [ValueID: ValueID],
    _ builder: inout GraphBuilder
  ) throws(Diagnostic) {
    guard let earlier = known[value] else {
      known[value] = cotangent
      return
    }
    known[value] = try builder.add(earlier, cotangent)
  }
}
